import { Fields, type IntRule, PORT, type TextRule } from './fields.js';
import type { Header, HealthCheck, Target } from './model.js';
import { isNull, kindName, type TreeNode } from './node.js';
import type { Problems } from './problem.js';
import { isHeaderName, isHeaderValue, isPathPattern, isTargetHost, patternProblem } from './syntax.js';

const HOST: TextRule = { min: 1, max: 253, form: [isTargetHost, 'an IP address or a host name'] };
const COUNT: IntRule = { min: 1, max: 1000 };
const SECONDS: IntRule = { min: 1, max: 86_400 };
const MAX_HEADERS = 100;
const SITE: TextRule = { min: 1, max: 255 };

export const METHODS = ['http', 'https', 'h2c'] as const;
export const PATH_MATCHES = ['exact', 'prefix', 'regex'] as const;
export const REWRITE_MATCHES = ['exact', 'prefix', 'regex', 'stripPrefix'] as const;

/** @returns undefined for a place that is left empty (`null` or `{}`), as labels of several containers leave it */
export function readTarget(node: TreeNode, path: string, problems: Problems): Target | undefined {
  if (isNull(node)) return undefined;
  if (node.kind !== 'map') {
    problems.add(path, `must be a map, not ${kindName(node)}`, node.at);
    return undefined;
  }
  if (node.entries.length === 0) return undefined;
  const f = new Fields(node, path, problems);
  const rewriteMatch = f.choice('rewrite-match', REWRITE_MATCHES) ?? null;
  // Of two spellings the old one wins, as it always did; both are read, so that both are known and checked.
  const [oldRewrite, newRewrite] = [f.text('rewritePath', { max: 2048 }), f.text('rewrite-path', { max: 2048 })];
  const rewritePath = oldRewrite ?? newRewrite ?? null;
  const healthcheck = f.map('healthcheck');
  const target: Target = {
    site: f.text('site', SITE) ?? null,
    hostname: f.need('hostname', f.text('hostname', HOST), ''),
    port: f.need('port', f.int('port', PORT), 1),
    method: f.choice('method', METHODS) ?? null,
    enabled: f.bool('enabled') ?? true,
    internalPort: f.int('internal-port', PORT) ?? null,
    path: f.text('path', { min: 1, max: 2048 }) ?? null,
    pathMatch: f.choice('path-match', PATH_MATCHES) ?? null,
    // Stripping a prefix leaves the root.
    rewritePath: rewritePath === null && rewriteMatch === 'stripPrefix' ? '/' : rewritePath,
    rewriteMatch,
    priority: f.int('priority', COUNT) ?? 100,
    healthcheck: healthcheck ? readHealthCheck(healthcheck) : null,
  };
  if (target.path !== null && isPathPattern(target.pathMatch, rewriteMatch) && !f.isOpen('path')) {
    const problem = patternProblem(target.path);
    if (problem) f.wrong('path', problem);
  }
  f.done();
  return target;
}

function readHealthCheck(f: Fields): HealthCheck {
  const either = <T>(old: T | undefined, now: T | undefined) => old ?? now;
  const check: HealthCheck = {
    hostname: f.need('hostname', f.text('hostname', HOST), ''),
    port: f.need('port', f.int('port', PORT), 1),
    enabled: f.bool('enabled') ?? true,
    path: f.text('path', { min: 1, max: 2048 }) ?? null,
    scheme: f.text('scheme', { min: 1, max: 32 }) ?? null,
    mode: f.text('mode', { min: 1, max: 32 }) ?? 'http',
    interval: f.int('interval', SECONDS) ?? 30,
    unhealthyInterval: either(f.int('unhealthyInterval', SECONDS), f.int('unhealthy-interval', SECONDS)) ?? 30,
    timeout: f.int('timeout', SECONDS) ?? 5,
    headers: readHeaders(f),
    followRedirects: either(f.bool('followRedirects'), f.bool('follow-redirects')) ?? true,
    method: f.text('method', { min: 1, max: 10 }) ?? null,
    status: f.int('status', { min: 100, max: 599 }) ?? null,
    healthyThreshold: f.int('healthy-threshold', COUNT) ?? 1,
    unhealthyThreshold: f.int('unhealthy-threshold', COUNT) ?? 1,
  };
  f.done();
  return check;
}

/** `headers` of a resource or a health check; null for none. */
export function readHeaders(f: Fields): Header[] | null {
  const headers = f.maps('headers', (h) => {
    const header = {
      name: h.need('name', h.text('name', { min: 1, max: 255, form: [isHeaderName, 'the name of a header'] }), ''),
      value: h.need('value', h.text('value', { min: 1, form: [isHeaderValue, 'printable ASCII'], secret: true }), ''),
    };
    h.done();
    return header;
  });
  if (headers && headers.length > MAX_HEADERS) f.wrong('headers', `must have at most ${MAX_HEADERS} items`);
  return headers && headers.length > 0 ? headers : null;
}

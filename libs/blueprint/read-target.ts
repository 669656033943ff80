import type { TextRule } from '#contracts';
import { Fields, isNull, kindName, type Problems, type TreeNode } from '#document';
import { CHOICES, INTS, MAX_HEADERS, TEXTS } from './field-rules.js';
import type { Header, HealthCheck, Target } from './model.js';
import { isPathPattern, patternProblem } from './syntax.js';

const SITE: TextRule = { min: 1, max: 255 };

/** @returns undefined for a place that is left empty (`null` or `{}`), as labels of several containers leave it */
export function readTarget(node: TreeNode, path: string, problems: Problems): Target | undefined {
  if (isNull(node)) return undefined;
  if (node.kind !== 'map') {
    problems.add(path, `must be a map, not ${kindName(node)}`, node.at);
    return undefined;
  }
  if (node.entries.length === 0) return undefined;
  const f = new Fields(node, path, problems);
  const rewriteMatch = f.choice('rewrite-match', CHOICES.rewriteMatch) ?? null;
  // Of two spellings the old one wins, as it always did; both are read, so that both are known and checked.
  const [oldRewrite, newRewrite] = [
    f.text('rewritePath', TEXTS.rewritePath),
    f.text('rewrite-path', TEXTS.rewritePath),
  ];
  const rewritePath = oldRewrite ?? newRewrite ?? null;
  const healthcheck = f.map('healthcheck');
  const target: Target = {
    site: f.text('site', SITE) ?? null,
    hostname: f.need('hostname', f.text('hostname', TEXTS.targetHost), ''),
    port: f.need('port', f.int('port', INTS.port), 1),
    method: f.choice('method', CHOICES.method) ?? null,
    insecureTls: f.bool('insecure-tls') ?? false,
    enabled: f.bool('enabled') ?? true,
    internalPort: f.int('internal-port', INTS.port) ?? null,
    path: f.text('path', TEXTS.path) ?? null,
    pathMatch: f.choice('path-match', CHOICES.pathMatch) ?? null,
    // Stripping a prefix leaves the root.
    rewritePath: rewritePath === null && rewriteMatch === 'stripPrefix' ? '/' : rewritePath,
    rewriteMatch,
    priority: f.int('priority', INTS.targetPriority) ?? 100,
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
    hostname: f.need('hostname', f.text('hostname', TEXTS.targetHost), ''),
    port: f.need('port', f.int('port', INTS.port), 1),
    enabled: f.bool('enabled') ?? true,
    path: f.text('path', TEXTS.healthPath) ?? null,
    scheme: f.text('scheme', TEXTS.healthScheme) ?? null,
    mode: f.text('mode', TEXTS.healthMode) ?? 'http',
    interval: f.int('interval', INTS.seconds) ?? 30,
    unhealthyInterval:
      either(f.int('unhealthyInterval', INTS.seconds), f.int('unhealthy-interval', INTS.seconds)) ?? 30,
    timeout: f.int('timeout', INTS.seconds) ?? 5,
    headers: readHeaders(f),
    followRedirects: either(f.bool('followRedirects'), f.bool('follow-redirects')) ?? true,
    method: f.text('method', TEXTS.healthMethod) ?? null,
    status: f.int('status', INTS.healthStatus) ?? null,
    healthyThreshold: f.int('healthy-threshold', INTS.threshold) ?? 1,
    unhealthyThreshold: f.int('unhealthy-threshold', INTS.threshold) ?? 1,
  };
  f.done();
  return check;
}

/** `headers` of a resource or a health check; null for none. */
export function readHeaders(f: Fields): Header[] | null {
  const headers = f.maps('headers', (h) => {
    const header = {
      name: h.need('name', h.text('name', TEXTS.headerName), ''),
      value: h.need('value', h.text('value', TEXTS.headerValue), ''),
    };
    h.done();
    return header;
  });
  if (headers && headers.length > MAX_HEADERS) f.wrong('headers', `must have at most ${MAX_HEADERS} items`);
  return headers && headers.length > 0 ? headers : null;
}

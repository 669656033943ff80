import { createHmac } from 'node:crypto';
import { RE2JS } from 're2js';
import { parsePath } from './path.js';

/** As it is stored (docs/integration-api.md §3.6), as far as it decides where a request goes. */
export interface StoredTarget {
  targetId: number;
  siteId: number;
  ip: string;
  port: number;
  method: 'http' | 'https' | 'h2c' | null;
  enabled: boolean;
  path: string | null;
  pathMatchType: 'exact' | 'prefix' | 'regex' | null;
  rewritePath: string | null;
  rewritePathType: 'exact' | 'prefix' | 'regex' | 'stripPrefix' | null;
  /** The highest comes first. */
  priority: number;
  /** Its certificate is not verified, where it speaks TLS. */
  insecureTls: boolean;
}

/** What changes from moment to moment. */
export interface TargetStates {
  /** Approved, and a tunnel ends in some process. */
  isOnline(siteId: number): boolean;
  isUnhealthy(targetId: number): boolean;
}

export type NoTarget = 'no_healthy_target' | 'site_offline';

/** Targets of one path, the highest priority first. */
interface Route {
  matches: (path: string) => boolean;
  targets: StoredTarget[];
  /** Whose turn it is. */
  next: number;
}

/** The value of the sticky cookie: says to nobody but us which target it means. */
export const stickyValue = (key: Buffer, resourceId: number, targetId: number): string =>
  createHmac('sha256', key).update(`${resourceId} ${targetId}`).digest('base64url');

/** The targets of a resource. */
export class TargetSet {
  /** Whether a path that targets read in different ways (`RequestPath.ambiguous`) must be refused: 400. */
  readonly decidesByPath: boolean;
  private readonly routes: Route[];
  private readonly rewrites = new Map<number, (path: string) => string>();

  constructor(stored: readonly StoredTarget[]) {
    const enabled = stored.filter((target) => target.enabled);
    const byPath = new Map<string, StoredTarget[]>();
    for (const target of enabled) {
      const key = target.path === null ? '' : `${target.pathMatchType} ${target.path}`;
      const targets = byPath.get(key);
      if (targets) targets.push(target);
      else byPath.set(key, [target]);
    }
    for (const targets of byPath.values()) targets.sort((a, b) => b.priority - a.priority || a.targetId - b.targetId);
    const lengthOf = ([{ path } = { path: null }]: readonly { path: string | null }[]) => path?.length ?? 0;
    this.routes = [...byPath.values()]
      .sort((a, b) => b[0]!.priority - a[0]!.priority || lengthOf(b) - lengthOf(a) || a[0]!.targetId - b[0]!.targetId)
      .map((targets) => ({ matches: matcherOf(targets[0]!), targets, next: 0 }));
    this.decidesByPath = enabled.some(({ path }) => path !== null);
    for (const target of enabled) {
      const rewrite = rewriterOf(target);
      if (rewrite) this.rewrites.set(target.targetId, rewrite);
    }
  }

  /**
   * The next target for a path: of those whose path comes first, the available ones of the highest priority take turns. A path whose
   * targets are all away is not another target's.
   *
   * @param tried did not take this request
   * @param wish of the visitor: whether a sticky cookie means this target
   */
  choose(
    path: string,
    states: TargetStates,
    tried: readonly number[] = [],
    wish?: (targetId: number) => boolean,
  ): StoredTarget | NoTarget {
    const route = this.routes.find(({ matches }) => matches(path));
    if (!route) return 'no_healthy_target';
    const { targets } = route;
    const turn = route.next++ % targets.length;
    let chosen: StoredTarget | undefined;
    let anyOnline = false;
    for (let i = 0; i < targets.length; i++) {
      const target = targets[(turn + i) % targets.length]!;
      if (!states.isOnline(target.siteId)) continue;
      anyOnline = true;
      if (states.isUnhealthy(target.targetId) || tried.includes(target.targetId)) continue;
      if (wish?.(target.targetId)) return target;
      if (!chosen || target.priority > chosen.priority) chosen = target;
    }
    return chosen ?? (anyOnline ? 'no_healthy_target' : 'site_offline');
  }

  /** Whether any target could be sent something, whatever the path. */
  isAnyAvailable(states: TargetStates): boolean {
    return this.routes.some(({ targets }) =>
      targets.some(({ siteId, targetId }) => states.isOnline(siteId) && !states.isUnhealthy(targetId)),
    );
  }

  /**
   * What is asked of the target.
   * @param path as it was matched
   * @param query with its `?`, or nothing
   * @returns undefined where the rewrite makes no path
   */
  rewrite(target: StoredTarget, path: string, query: string): string | undefined {
    const rewrite = this.rewrites.get(target.targetId);
    if (!rewrite) return path + query;
    const given = rewrite(path);
    const parsed = /[\s#]/.test(given) ? undefined : parsePath(given.startsWith('/') ? given : `/${given}`);
    if (!parsed) return undefined;
    return (
      parsed.path +
      (parsed.query.length > 1 && query.length > 1 ? `${parsed.query}&${query.slice(1)}` : parsed.query || query)
    );
  }
}

/**
 * Whether another target may be tried after one that did not answer: nothing of the body is gone, and the request was never there or may
 * come twice (RFC 9110 §9.2.2).
 */
export function mayTryNext(request: { method: string; bodyBytesSent: number; refused: boolean }): boolean {
  return request.bodyBytesSent === 0 && (request.refused || isIdempotent(request.method));
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
export const isIdempotent = (method: string): boolean => IDEMPOTENT.has(method);

/** In the spelling in which paths of requests come. */
function spelt(path: string): string {
  const rooted = path.startsWith('/') ? path : `/${path}`;
  return parsePath(rooted)?.path ?? rooted;
}

/** Whether a path is the prefix, or below it: `/api` is no prefix of `/apis`. */
function isBelow(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) && (path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/')
  );
}

function matcherOf({ path, pathMatchType }: StoredTarget): (path: string) => boolean {
  if (path === null) return () => true;
  const wanted = spelt(path);
  if (pathMatchType === 'regex') {
    const pattern = patternOf(path);
    return (asked) => pattern()?.matcher(asked).find() ?? false;
  }
  return pathMatchType === 'exact' ? (asked) => asked === wanted : (asked) => isBelow(asked, wanted);
}

function rewriterOf({ path, rewritePath, rewritePathType }: StoredTarget): ((path: string) => string) | undefined {
  if (rewritePathType === null || rewritePath === null) return undefined;
  const from = path === null ? '/' : spelt(path);
  switch (rewritePathType) {
    case 'exact':
      return (asked) => (asked === from ? rewritePath : asked);
    case 'prefix':
      return (asked) => (isBelow(asked, from) ? rewritePath + asked.slice(from.length) : asked);
    case 'stripPrefix': {
      const base = rewritePath.endsWith('/') ? rewritePath.slice(0, -1) : rewritePath;
      return (asked) => {
        if (!isBelow(asked, from)) return base + asked;
        const rest = asked.slice(from.length);
        return rest.startsWith('/') ? base + rest : `${base}/${rest}`;
      };
    }
    case 'regex': {
      const pattern = patternOf(path ?? '');
      return (asked) => pattern()?.matcher(asked).replaceFirst(rewritePath) ?? asked;
    }
  }
}

/** Compiled when it is first needed, since that may take long; what was stored before patterns were checked may be none. */
function patternOf(text: string): () => RE2JS | undefined {
  let pattern: RE2JS | undefined | null = null;
  return () => {
    if (pattern === null) {
      try {
        pattern = RE2JS.compile(text);
      } catch {
        pattern = undefined;
      }
    }
    return pattern;
  };
}

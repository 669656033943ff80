import { Injectable } from '@nestjs/common';
import { SiteDialer } from '../dialing/site-dialer.js';
import type { StreamTarget } from '../dialing/target-stream.js';
import { type Route, type RouteSettings, RouteTable } from '../routing/route-table.js';
import type { StoredTarget, TargetStates } from '../routing/targets.js';
import { Http1Line, http1Head } from './http1-line.js';
import { Http2Line, http2Head } from './http2-line.js';
import type { Line, OutgoingRequest } from './line.js';
import { LinkPool } from './link-pool.js';
import { SessionPool } from './session-pool.js';
import { TargetLink } from './target-link.js';

/** For methods that must not come twice: how long a link may have been idle. */
const FRESH_MS = 1_000;

/** Gets lines to targets, and says which can be reached from here. */
@Injectable()
export class TargetDialer {
  constructor(
    private readonly table: RouteTable,
    private readonly sites: SiteDialer,
    private readonly links: LinkPool,
    private readonly sessions: SessionPool,
  ) {}

  /** What is so of the targets of a route at this moment. */
  statesOf(route: Route): TargetStates {
    const { orgId } = route.settings;
    return {
      isOnline: (siteId) => this.table.site(siteId)?.approved === true && this.sites.isReachable({ siteId, orgId }),
      isUnhealthy: (targetId) => route.isUnhealthy(targetId),
    };
  }

  /**
   * A line for a request, over a connection that is there already where it may be.
   * @param repeatable whether the request may be sent again where the target has ended an idle connection at this moment
   * @param anew not over one that was idle
   * @returns undefined where the site cannot be reached. @throws UnwritableRequest, ConnectRefusal
   */
  line(
    route: Route,
    target: StoredTarget,
    request: OutgoingRequest,
    repeatable: boolean,
    anew = false,
  ): Line | undefined {
    const key = keyOf(route, target);
    const idleMs = repeatable ? undefined : FRESH_MS;
    const { orgId } = route.settings;
    const dial = () => this.sites.connect({ siteId: target.siteId, orgId }, streamTarget(route, target));
    // Servers that know HTTP/2 take websockets over HTTP/1.1 as well; few do over HTTP/2 (RFC 8441).
    if (target.method === 'h2c' && request.websocketKey === undefined) {
      const headers = http2Head(request);
      const kept = anew ? undefined : this.sessions.take(key, idleMs);
      if (kept) return new Http2Line(kept, request, headers);
      const stream = dial();
      return stream && new Http2Line(this.sessions.open(key, stream), request, headers);
    }
    const head = http1Head(request);
    const keep = (link: TargetLink) => this.links.put(link);
    const kept = anew ? undefined : this.links.take(key, idleMs);
    if (kept) return new Http1Line(kept, request, head, keep);
    const stream = dial();
    return stream && new Http1Line(new TargetLink(stream, key, target.siteId), request, head, keep);
  }

  /** Ends connections that nobody has used for long. */
  sweep(): void {
    this.links.sweep();
    this.sessions.sweep();
  }

  /** Ends all connections. */
  clear(): void {
    this.links.clear();
    this.sessions.clear();
  }
}

/** Those of {@link keyOf}, with the settings that they are of. */
const keys = new WeakMap<StoredTarget, { settings: RouteSettings; key: string }>();

/** Whose a connection may be: nobody else's, and only while the target is set to the same. */
function keyOf({ settings }: Route, target: StoredTarget): string {
  const known = keys.get(target);
  if (known?.settings === settings) return known.key;
  const { targetId, siteId, ip, port, method, insecureTls } = target;
  const key = `${settings.resourceId} ${targetId} ${siteId} ${method} ${port} ${ip} ${insecureTls} ${settings.tlsServerName ?? ''}`;
  keys.set(target, { settings, key });
  return key;
}

function streamTarget({ settings }: Route, { ip, port, method, insecureTls }: StoredTarget): StreamTarget {
  const target: StreamTarget = { protocol: 'tcp', host: ip, port, payload: 'http' };
  if (method !== 'https') return target;
  const name = settings.tlsServerName ?? undefined;
  return {
    ...target,
    tls: { mode: insecureTls ? 'accept' : 'verify', protocol: 'http/1.1', ...(name === undefined ? {} : { name }) },
  };
}

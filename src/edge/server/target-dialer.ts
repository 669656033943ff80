import { Injectable } from '@nestjs/common';
import { SiteDialer } from '../dialing/site-dialer.js';
import type { StreamTarget } from '../dialing/target-stream.js';
import type { Route } from '../routing/route-table.js';
import { RouteTable } from '../routing/route-table.js';
import type { StoredTarget, TargetStates } from '../routing/targets.js';
import { LinkPool } from './link-pool.js';
import { TargetLink } from './target-link.js';

/** For methods that must not come twice: how long a link may have been idle. */
const FRESH_MS = 1_000;

/** Gets links to targets, and says which can be reached from here. */
@Injectable()
export class TargetDialer {
  constructor(
    private readonly table: RouteTable,
    private readonly sites: SiteDialer,
    private readonly pool: LinkPool,
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
   * A link on which nothing is under way.
   * @param repeatable whether the request may be sent again where the target has ended an idle link at this moment
   * @param anew not one that was idle
   * @returns undefined where the site cannot be reached
   */
  link(route: Route, target: StoredTarget, repeatable: boolean, anew = false): TargetLink | undefined {
    const idle = anew ? undefined : this.pool.take(keyOf(route, target), repeatable ? undefined : FRESH_MS);
    if (idle) return idle;
    const { orgId } = route.settings;
    const stream = this.sites.connect({ siteId: target.siteId, orgId }, streamTarget(route, target));
    return stream && new TargetLink(stream);
  }

  /** Takes a link back whose exchange is over. */
  putBack(route: Route, target: StoredTarget, link: TargetLink): void {
    link.release();
    this.pool.put(keyOf(route, target), link);
  }
}

/** Whose a link may be: nobody else's, and only while the target is set to the same. */
const keyOf = ({ settings }: Route, { targetId, siteId, ip, port, method }: StoredTarget): string =>
  `${settings.resourceId} ${targetId} ${siteId} ${method} ${port} ${ip} ${settings.tlsServerName ?? ''}`;

function streamTarget({ settings }: Route, { ip, port, method }: StoredTarget): StreamTarget {
  const target: StreamTarget = { protocol: 'tcp', host: ip, port, payload: 'http' };
  if (method !== 'https') return target;
  const name = settings.tlsServerName ?? undefined;
  return { ...target, tls: { mode: 'verify', protocol: 'http/1.1', ...(name === undefined ? {} : { name }) } };
}

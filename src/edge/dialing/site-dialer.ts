import { Injectable } from '@nestjs/common';
import type { Destination } from '#contracts';
import { Hops } from '../hops/hops.js';
import { LocalDialing } from '../local/local-dialing.js';
import { LocalFlow } from '../local/local-flow.js';
import { LocalStream } from '../local/local-stream.js';
import { TunnelRegistry } from '../tunnels/tunnel-registry.js';
import type { StreamTarget, TargetFlow, TargetSite, TargetStream } from './target-stream.js';

/**
 * Opens streams to what is behind sites: from here where they are local, through a tunnel of this process, else through one of another. Whether a site is
 * approved is for its callers to know.
 */
@Injectable()
export class SiteDialer {
  constructor(
    private readonly tunnels: TunnelRegistry,
    private readonly hops: Hops,
    private readonly local: LocalDialing,
  ) {}

  /** Whether a stream to the site can be opened. */
  isReachable({ siteId }: TargetSite): boolean {
    return this.local.serves(siteId) || this.tunnels.isUsable(siteId) || this.hops.wayTo(siteId) !== undefined;
  }

  /** @returns undefined where no way leads to the site. @throws ConnectRefusal where one did until now; all else the stream says */
  connect(site: TargetSite, target: StreamTarget): TargetStream | undefined {
    if (this.local.serves(site.siteId)) return new LocalStream(this.local.dialer, site.orgId, target);
    const own = this.tunnels.usable(site.siteId)[0];
    return own ? own.connect(target) : this.hops.wayTo(site.siteId)?.connectSite(site, target);
  }

  /** @param received called with each datagram, whole. @returns as `connect` */
  connectUdp(
    site: TargetSite,
    to: Omit<Destination, 'protocol'>,
    received: (payload: Uint8Array) => void,
  ): TargetFlow | undefined {
    if (this.local.serves(site.siteId)) return new LocalFlow(this.local.dialer, site.orgId, to, received);
    const own = this.tunnels.usable(site.siteId)[0];
    return own ? own.connectUdp(to, received) : this.hops.wayTo(site.siteId)?.connectSiteUdp(site, to, received);
  }
}

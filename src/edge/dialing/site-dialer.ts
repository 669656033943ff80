import { Injectable } from '@nestjs/common';
import type { Destination } from '#contracts';
import { TunnelRegistry } from '../tunnels/tunnel-registry.js';
import type { StreamTarget, TargetFlow, TargetSite, TargetStream } from './target-stream.js';

/** Opens streams to what is behind sites. Whether a site is approved is for its callers to know. */
@Injectable()
export class SiteDialer {
  constructor(private readonly tunnels: TunnelRegistry) {}

  /** Whether a stream to the site can be opened. */
  isReachable({ siteId }: TargetSite): boolean {
    return this.tunnels.isUsable(siteId);
  }

  /** @returns undefined where no way leads to the site. @throws ConnectRefusal where one did until now; all else the stream says */
  connect({ siteId }: TargetSite, target: StreamTarget): TargetStream | undefined {
    return this.tunnels.usable(siteId)[0]?.connect(target);
  }

  /** @param received called with each datagram, whole. @returns as `connect` */
  connectUdp(
    { siteId }: TargetSite,
    to: Omit<Destination, 'protocol'>,
    received: (payload: Uint8Array) => void,
  ): TargetFlow | undefined {
    return this.tunnels.usable(siteId)[0]?.connectUdp(to, received);
  }
}

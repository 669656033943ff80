import type { SiteDialer } from '../dialing/site-dialer.js';
import type { Traffic } from '../logs/traffic-counters.js';
import type { RawRoute } from './raw-route.js';

/** What ports need of the process that they are in. */
export interface RawHost {
  readonly sites: Pick<SiteDialer, 'isReachable' | 'connect' | 'connectUdp'>;
  /** Whether what is known of resources is too old to let anybody in by. */
  isStale(): boolean;
  /** Bytes went through. */
  count(traffic: Traffic): void;
}

/** A port on which this process serves a raw resource. */
export interface RawPort {
  readonly route: RawRoute;
  /** Connections to wait for when the server stops. */
  readonly connections: number;
  /** @param address of this machine @throws the error of the system */
  listen(address: string): Promise<void>;
  /** Another state of the same resource on the same port: what leads to a target that it has no more is cut. */
  change(route: RawRoute): void;
  /** Counts what went through since the last look, and ends what is silent. */
  look(): void;
  /** Takes nobody in any more; what is open goes on. */
  stop(): void;
  /** Cuts what is open, too. */
  close(): void;
}

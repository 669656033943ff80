import type { Duplex } from 'node:stream';
import { MAX_GHOST_BYTES, MAX_GHOSTS } from './bounds.js';
import { ConnectSession, type PassedBytes } from './connect-session.js';

const BOUNDS = { streams: 4_000, ghosts: MAX_GHOSTS, ghostBytes: MAX_GHOST_BYTES };

/** Whose connection it is, and when its credential ends, by `performance.now()`. */
export interface TunnelOwner {
  siteId: number;
  orgId: string;
  credentialId: number;
  endsAt: number;
}

/** How the connection below HTTP/2 goes, and what has passed over it. */
export interface TunnelTransport extends PassedBytes {
  kind: 'upgrade' | 'websocket';
}

/** One tunnel connection of an agent. */
export class TunnelConnection extends ConnectSession {
  constructor(
    duplex: Duplex,
    readonly owner: TunnelOwner,
    readonly transport: TunnelTransport,
  ) {
    super(duplex, transport, BOUNDS);
  }

  override look(now: number): void {
    if (this.owner.endsAt <= now) this.end('credential_ended');
    else super.look(now);
  }
}

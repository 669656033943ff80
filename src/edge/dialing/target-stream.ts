import type { Duplex } from 'node:stream';
import type { Destination, TunnelError, TunnelPayload, TunnelTls } from '#contracts';

/** What a stream is to be connected to, at its site. */
export interface StreamTarget extends Destination {
  payload: TunnelPayload;
  /** Who connects speaks TLS to it. */
  tls?: { mode: TunnelTls; name?: string; protocol?: string };
}

/** Whose target it is. */
export interface TargetSite {
  siteId: number;
  orgId: string;
}

/** A stream of bytes to a target, whichever way leads there. */
export interface TargetStream {
  /** The bytes of the target's own protocol; may be written to at once. It has a listener for errors. */
  readonly duplex: Duplex;
  /** Resolves once there is a connection to the target. @throws ConnectRefusal */
  readonly opened: Promise<void>;
  /** Whether another exchange may begin on it: nothing has ended or broken it, and its way is not being given up. */
  readonly isOpen: boolean;
  /** Once it is closed: whether the target ended it in order, rather than by breaking it. */
  readonly endedInOrder: boolean;
  /** Once it is closed: whether it was the way to the site that broke, rather than the target; another way may lead there. */
  readonly isLost: boolean;
  /** Gives it up. */
  abort(): void;
}

/** Datagrams to and from one UDP destination. */
export interface TargetFlow {
  /** As of a stream. @throws ConnectRefusal */
  readonly opened: Promise<void>;
  readonly isOpen: boolean;
  /** Drops it when too many wait. */
  send(payload: Uint8Array): void;
  close(): void;
}

/** There was no connection: why; `gone` where the way to the site was lost before an answer, `not_here` where it led to who has no tunnel of the site, or was giving it up. */
export class ConnectRefusal extends Error {
  constructor(readonly code: TunnelError | 'gone' | 'not_here') {
    super(`There was no connection: ${code}`);
    this.name = 'ConnectRefusal';
  }
}

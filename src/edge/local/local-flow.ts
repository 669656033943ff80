import type { Socket } from 'node:dgram';
import type { Destination } from '#contracts';
import { ConnectRefusal, type TargetFlow } from '../dialing/target-stream.js';
import type { LocalDialer } from '../policy/local-dialer.js';

/** Datagrams to and from a UDP target of a local site, which this process sends itself. */
export class LocalFlow implements TargetFlow {
  readonly opened: Promise<void>;
  isOpen = true;
  private socket: Socket | undefined;

  /** @param received called with each datagram, whole */
  constructor(
    dialer: LocalDialer,
    orgId: string,
    to: Omit<Destination, 'protocol'>,
    received: (payload: Uint8Array) => void,
  ) {
    this.opened = dialer.udp(orgId, to).then(
      (socket) => {
        if (!this.isOpen) return void socket.close();
        this.socket = socket;
        socket.on('error', () => this.close());
        socket.on('message', received);
      },
      () => {
        this.isOpen = false;
        throw new ConnectRefusal('not_allowed');
      },
    );
    this.opened.catch(() => undefined);
  }

  /** What comes before there is a socket waits for its name to be known. */
  send(payload: Uint8Array): void {
    if (this.socket) this.socket.send(payload, () => undefined);
    else
      this.opened.then(
        () => this.isOpen && this.socket?.send(payload, () => undefined),
        () => undefined,
      );
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.socket?.close();
  }
}

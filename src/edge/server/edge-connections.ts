import type { Socket } from 'node:net';
import { Counter, Gauge } from 'prom-client';
import { AddressBounds } from '../policy/address-bounds.js';

/** Of this process, and of them those of one address (IPv6 by /64) that is no trusted proxy. */
const BOUNDS = { all: 50_000, ofAddress: 2_000 };

/** The open connections of the edge, within bounds: one stranger does not take what there is for all. */
export class EdgeConnections {
  readonly open = new Set<Socket>();
  private readonly untrusted: AddressBounds;

  /** @param trusts whose connections are those of many */
  constructor(
    private readonly trusts: (address: string) => boolean,
    private readonly bounds = BOUNDS,
  ) {
    this.untrusted = new AddressBounds(bounds.all, bounds.ofAddress);
    shown.connections = this;
  }

  /** Takes a new connection in until it closes, or destroys it. @returns whether there was room */
  enter(socket: Socket): boolean {
    const address = socket.remoteAddress ?? '';
    const isTrusted = this.trusts(address);
    if (this.open.size >= this.bounds.all || !(isTrusted || this.untrusted.enter(address))) {
      refused.inc();
      socket.destroy();
      return false;
    }
    this.open.add(socket);
    socket.once('close', () => {
      this.open.delete(socket);
      if (!isTrusted) this.untrusted.leave(address);
    });
    return true;
  }
}

const shown: { connections?: EdgeConnections } = {};
new Gauge({
  name: 'gatehouse_edge_connections',
  help: 'Open connections to the edge of this process',
  collect() {
    this.set(shown.connections?.open.size ?? 0);
  },
});
const refused = new Counter({
  name: 'gatehouse_edge_connections_refused_total',
  help: 'Connections to the edge that were closed at once: its address, or all, had as many as they may',
});

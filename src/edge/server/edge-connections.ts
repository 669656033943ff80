import type { Socket } from 'node:net';
import { Counter, Gauge } from 'prom-client';
import { addressBucket } from '#platform';

/** Of this process, and of them those of one address (IPv6 by /64) that is no trusted proxy. */
const BOUNDS = { all: 50_000, ofAddress: 2_000 };

/** The open connections of the edge, within bounds: one stranger does not take what there is for all. */
export class EdgeConnections {
  readonly open = new Set<Socket>();
  private readonly ofAddress = new Map<string, number>();

  /** @param trusts whose connections are those of many */
  constructor(
    private readonly trusts: (address: string) => boolean,
    private readonly bounds = BOUNDS,
  ) {
    shown.connections = this;
  }

  /** Takes a new connection in until it closes, or destroys it. @returns whether there was room */
  enter(socket: Socket): boolean {
    const address = socket.remoteAddress ?? '';
    const bucket = this.trusts(address) ? undefined : addressBucket(address);
    const held = bucket === undefined ? 0 : (this.ofAddress.get(bucket) ?? 0);
    if (this.open.size >= this.bounds.all || held >= this.bounds.ofAddress) {
      refused.inc();
      socket.destroy();
      return false;
    }
    this.open.add(socket);
    if (bucket !== undefined) this.ofAddress.set(bucket, held + 1);
    socket.once('close', () => {
      this.open.delete(socket);
      if (bucket !== undefined) this.leave(bucket);
    });
    return true;
  }

  private leave(bucket: string): void {
    const left = this.ofAddress.get(bucket)! - 1;
    if (left > 0) this.ofAddress.set(bucket, left);
    else this.ofAddress.delete(bucket);
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

import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import type { TunnelConnection } from './tunnel-connection.js';
import { TunnelRegistry } from './tunnel-registry.js';

/** What is measured of tunnels (docs/tunnel.md rule 15). */
@Injectable()
export class TunnelMetrics {
  constructor(registry: TunnelRegistry) {
    shown.connections = () => registry.all;
    registry.onEnd((connection, why) => {
      closed.inc({ reason: why });
      this.count(connection);
    });
  }

  opened({ transport }: TunnelConnection): void {
    opened.inc({ transport: transport.kind });
  }

  /** Adds what has passed over a connection since the last time. */
  count(connection: TunnelConnection): void {
    const since = connection.countBytes();
    if (since.in > 0) bytes.inc({ direction: 'in' }, since.in);
    if (since.out > 0) bytes.inc({ direction: 'out' }, since.out);
  }
}

const shown: { connections(): TunnelConnection[] } = { connections: () => [] };
new Gauge({
  name: 'gatehouse_tunnel_connections',
  help: 'Tunnel connections of agents to this process',
  collect() {
    this.set(shown.connections().length);
  },
});
new Gauge({
  name: 'gatehouse_tunnel_streams',
  help: 'Streams that are open through the tunnels of this process',
  collect() {
    this.set(shown.connections().reduce((sum, { streams }) => sum + streams.size, 0));
  },
});
const opened = new Counter({
  name: 'gatehouse_tunnels_opened_total',
  help: 'Tunnel connections that agents have opened, by transport',
  labelNames: ['transport'],
});
const closed = new Counter({
  name: 'gatehouse_tunnels_closed_total',
  help: 'Tunnel connections that have ended, by reason',
  labelNames: ['reason'],
});
const bytes = new Counter({
  name: 'gatehouse_tunnel_bytes_total',
  help: 'Bytes that came from agents (in) and went to them (out) over tunnel connections',
  labelNames: ['direction'],
});

import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { TUNNEL } from '#contracts';
import { Drain, PeriodicTask } from '#platform';
import { TunnelMetrics } from './tunnel-metrics.js';
import { TunnelRegistry } from './tunnel-registry.js';

const LOOK_MS = 500;
const PING_MS = TUNNEL.pingSeconds * 1000;
/** For open streams, when the server stops (docs/tunnel.md rule 14). */
const STOP_MS = 1_500;

/** Looks at the tunnels of this process at intervals, pings them, and ends them when the server stops: one round for all instead of timers in each. */
@Injectable()
export class TunnelKeeper implements OnApplicationBootstrap {
  private readonly looks = new PeriodicTask(`${TunnelKeeper.name} looks`, {
    failure: 'Tunnels could not be looked at',
    everyMs: LOOK_MS,
    run: () => this.look(),
  });
  private readonly pings = new PeriodicTask(`${TunnelKeeper.name} pings`, {
    failure: 'Tunnels could not be pinged',
    everyMs: PING_MS,
    run: () => this.ping(),
  });
  private pingedAt = performance.now();

  constructor(
    private readonly registry: TunnelRegistry,
    private readonly metrics: TunnelMetrics,
    drain: Drain,
  ) {
    drain.register('stop accepting', 'tunnels', () => {
      registry.draining = true;
    });
    drain.register('tell sessions', 'tunnels', () => this.sendAway());
  }

  onApplicationBootstrap(): void {
    this.looks.wake(LOOK_MS);
    this.pings.wake(PING_MS);
  }

  private look(): Promise<void> {
    return this.registry.eachInSlices((connection) => {
      connection.look(performance.now());
      this.metrics.count(connection);
    });
  }

  private async ping(): Promise<void> {
    const now = performance.now();
    // A process that stood still has not read what agents have answered meanwhile.
    const stoodStill = now - this.pingedAt > 2 * PING_MS;
    this.pingedAt = now;
    await this.registry.eachInSlices((connection) => {
      if (stoodStill) connection.forgive();
      connection.ping();
    });
  }

  private async sendAway(): Promise<string | undefined> {
    await Promise.all([this.looks.stop(), this.pings.stop()]);
    const connections = this.registry.all;
    for (const connection of connections) connection.drain();
    const over = Promise.all(connections.map(({ closed }) => closed));
    await Promise.race([over, delay(STOP_MS, undefined, { ref: false })]);
    const left = this.registry.all;
    for (const connection of left) connection.end('server_stopped');
    return left.length > 0 ? `${left.length} tunnels had open streams and were cut` : undefined;
  }
}

import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Config, Drain, KeyRing, PeriodicTask, PgNotifications } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { HopPeer } from './hop-peer.js';
import type { HopSession } from './hop-session.js';
import { HOP } from './hop-wire.js';

/** Notices tell of new ones; this is for those that were missed, and for those that have gone. */
const READ_MS = 5_000;
const RETRY_MS = 500;
const LOOK_MS = 500;

/**
 * The other server processes that hold tunnels, and the sites that are reached through each: in memory, as those processes themselves tell over the hop
 * (docs/adr/0101). Which processes there are is what the database said last.
 */
@Injectable()
export class Hops implements OnApplicationBootstrap {
  private readonly peers = new Map<string, HopPeer>();
  private readonly reads = new PeriodicTask(`${Hops.name} reads`, {
    failure: 'The other server processes could not be read',
    everyMs: READ_MS,
    retryMs: RETRY_MS,
    run: () => this.read(),
  });
  private readonly looks = new PeriodicTask(`${Hops.name} looks`, {
    failure: 'Connections to other server processes could not be looked at',
    everyMs: LOOK_MS,
    run: () => this.look(),
  });
  private readonly pings = new PeriodicTask(`${Hops.name} pings`, {
    failure: 'Other server processes could not be pinged',
    everyMs: HOP.pingMs,
    run: () => this.ping(),
  });
  private pingedAt = performance.now();

  constructor(
    private readonly config: Config,
    private readonly keys: KeyRing,
    private readonly lease: ServerLease,
    private readonly notifications: PgNotifications,
    drain: Drain,
  ) {
    shown.hops = this;
    drain.register('flush', 'hops to others', () => this.stop());
  }

  onApplicationBootstrap(): void {
    if (!this.config.cluster.roles.has('edge')) return;
    this.notifications.on('server_changed', () => this.reads.wake());
    this.reads.wake();
    this.looks.wake(LOOK_MS);
    this.pings.wake(HOP.pingMs);
  }

  /** The least busy connection to a process that has a tunnel of the site. */
  wayTo(siteId: number): HopSession | undefined {
    let way: HopSession | undefined;
    for (const { sites, session } of this.peers.values())
      if (session && sites.has(siteId) && !(way && way.streams.size <= session.streams.size)) way = session;
    return way;
  }

  /** Connections to others that can be used. */
  get sessions(): HopSession[] {
    return [...this.peers.values()].flatMap(({ session }) => session ?? []);
  }

  private async read(): Promise<void> {
    const addresses = new Set(await this.lease.otherHops());
    for (const [address, peer] of this.peers) {
      if (addresses.has(address)) continue;
      peer.stop();
      this.peers.delete(address);
    }
    for (const address of addresses)
      if (!this.peers.has(address)) this.peers.set(address, new HopPeer(address, () => this.keys.hopKeys));
  }

  private look(): void {
    for (const { anySession } of this.peers.values()) anySession?.look(performance.now());
  }

  private ping(): void {
    const now = performance.now();
    // A process that stood still has not read what others have answered meanwhile.
    const stoodStill = now - this.pingedAt > 2 * HOP.pingMs;
    this.pingedAt = now;
    for (const { anySession } of this.peers.values()) {
      if (stoodStill) anySession?.forgive();
      anySession?.ping();
    }
  }

  private async stop(): Promise<void> {
    await Promise.all([this.reads.stop(), this.looks.stop(), this.pings.stop()]);
    for (const peer of this.peers.values()) peer.stop();
    this.peers.clear();
  }
}

const shown: { hops?: Hops } = {};
new Gauge({
  name: 'gatehouse_hop_connections',
  help: 'Connections of this process to others whose tunnels it uses',
  collect() {
    this.set(shown.hops?.sessions.length ?? 0);
  },
});
new Gauge({
  name: 'gatehouse_hop_streams',
  help: 'Streams that are open from this process through the tunnels of others',
  collect() {
    this.set(shown.hops?.sessions.reduce((sum, { streams }) => sum + streams.size, 0) ?? 0);
  },
});

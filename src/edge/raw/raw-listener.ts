import { lookup } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Config, Db, Drain, isRawPort, PeriodicTask, PgNotifications } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { SiteDialer } from '../dialing/site-dialer.js';
import { TrafficCounters } from '../logs/traffic-counters.js';
import type { RawHost, RawPort } from './raw-port.js';
import { portOf, type RawRoute } from './raw-route.js';
import { RawRoutesRepository } from './raw-routes.repository.js';
import { TcpPort } from './tcp-port.js';
import { UdpPort } from './udp-port.js';

/** Changes within this time are read together. */
const SOON_MS = 200;
/** After a port that could not be opened, too. */
const RETRY_MS = 1_000;
const LOOK_MS = 1_000;
/** For connections that are open when the server stops. */
const STOP_MS = 2_000;
const CLOSE_EVERY_MS = 50;

/**
 * Serves raw resources on the ports of RAW_PORTS. All of them are read again after every notice that may concern one: they are no more than
 * there are ports, and what was missed is made good by the next read.
 */
@Injectable()
export class RawListener {
  private readonly logger = new Logger(RawListener.name);
  private readonly ports = new Map<string, RawPort>();
  /** Of ports that could not be opened, by their resource. */
  private readonly errors = new Map<number, string>();
  private toldErrors = false;
  /** Since when changes may have been missed (`performance.now()`), until all was read. */
  private missedSince: number | undefined = performance.now();
  private readonly host: RawHost;
  private readonly task = new PeriodicTask(RawListener.name, {
    failure: 'Raw resources could not be read; trying again',
    retryMs: RETRY_MS,
    run: () => this.follow(),
  });
  private readonly looks = new PeriodicTask(RawListener.name, {
    failure: 'Connections of raw resources could not be looked at',
    everyMs: LOOK_MS,
    run: () => {
      for (const port of this.ports.values()) port.look();
    },
  });

  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly notifications: PgNotifications,
    private readonly repository: RawRoutesRepository,
    private readonly lease: ServerLease,
    drain: Drain,
    sites: SiteDialer,
    counters: TrafficCounters,
  ) {
    this.host = { sites, isStale: () => this.isStale, count: (traffic) => counters.add(traffic) };
    drain.register('stop accepting', 'raw resources', () => this.stop());
    drain.register('finish requests', 'raw resources', () => this.finish());
  }

  /** Begins to serve them, unless this process has no edge, or no ports for them. Notices that come before are not lost: all is read afterwards. */
  start(): void {
    const { cluster, edge } = this.config;
    if (!cluster.roles.has('edge') || edge.rawPorts.length === 0) return;
    const changed = () => this.task.wake(SOON_MS);
    this.notifications.on('resource_changed', (payload) => {
      if ((JSON.parse(payload) as { kind: string }).kind === 'public') changed();
    });
    for (const channel of ['health_changed', 'site_changed', 'access_changed'] as const)
      this.notifications.on(channel, changed);
    this.notifications.onReconnected(() => {
      this.missedSince ??= this.notifications.heardUntil;
      this.task.wake();
    });
    this.task.wake();
    this.looks.wake(LOOK_MS);
  }

  private get isStale(): boolean {
    const since = this.missedSince ?? (this.notifications.isDown ? this.notifications.heardUntil : undefined);
    return since !== undefined && performance.now() - since > this.config.edge.staleSeconds * 1000;
  }

  private async follow(): Promise<void> {
    // What is read while nobody listens is old at once.
    if (this.notifications.isDown) return this.task.wake(RETRY_MS);
    const routes = await this.repository.inService(this.db.manager);
    if (!this.notifications.isDown) this.missedSince = undefined;
    await this.serve(routes.filter(({ port }) => isRawPort(this.config.edge, port)));
    if (this.errors.size > 0) this.task.wake(RETRY_MS);
    if (this.errors.size === 0 && !this.toldErrors) return;
    const errors = [...this.errors].map(([resourceId, error]) => ({ resourceId, error }));
    await this.repository.tellErrors(this.db.manager, this.lease.serverId, errors);
    this.toldErrors = errors.length > 0;
  }

  /** Serves these, and no others. Ports that are given up are free before another resource wants one. */
  private async serve(routes: RawRoute[]): Promise<void> {
    const wanted = new Map(routes.map((route) => [portOf(route), route]));
    for (const [name, port] of this.ports) {
      const route = wanted.get(name);
      if (route?.resourceId === port.route.resourceId) port.change(route);
      else {
        port.close();
        this.ports.delete(name);
      }
    }
    const ids = new Set(routes.map(({ resourceId }) => resourceId));
    for (const resourceId of this.errors.keys()) if (!ids.has(resourceId)) this.errors.delete(resourceId);
    const { address } = await lookup(this.config.edge.host);
    for (const [name, route] of wanted) if (!this.ports.has(name)) await this.open(name, route, address);
  }

  private async open(name: string, route: RawRoute, address: string): Promise<void> {
    const port = route.protocol === 'tcp' ? new TcpPort(route, this.host) : new UdpPort(route, this.host);
    try {
      await port.listen(address);
      this.ports.set(name, port);
      this.errors.delete(route.resourceId);
    } catch (error) {
      const { code = String(error) } = error as NodeJS.ErrnoException;
      const said = SAID[code] ?? `cannot be opened: ${code}`;
      if (this.errors.get(route.resourceId) !== `${name} ${said}`)
        this.logger.warn(`The ${name} of a raw resource ${said}`);
      this.errors.set(route.resourceId, `${name} ${said}`);
    }
  }

  /** Takes nobody in any more: where tunnels are given up next they would be cut at once, and clients may have another server. */
  private async stop(): Promise<void> {
    await this.task.stop();
    for (const port of this.ports.values()) port.stop();
  }

  /** Waits for connections that are open, and cuts the rest. @returns what it had to leave */
  private async finish(): Promise<string | undefined> {
    const ports = [...this.ports.values()];
    const connections = () => ports.reduce((sum, port) => sum + port.connections, 0);
    const until = performance.now() + STOP_MS;
    while (connections() > 0 && performance.now() < until) await delay(CLOSE_EVERY_MS, undefined, { ref: false });
    await this.looks.stop();
    const left = connections();
    for (const port of ports) port.close();
    return left > 0 ? `${left} connections to raw resources were cut` : undefined;
  }
}

const SAID: Record<string, string> = {
  EADDRINUSE: 'is in use by another program',
  EACCES: 'may not be opened by this server: it is a port for privileged programs',
};

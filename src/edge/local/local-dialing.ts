import type { Server } from 'node:http';
import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Config, Db, Drain, PeriodicTask, PgNotifications } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { DialPolicy } from '../policy/dial-policy.js';
import { LocalDialer } from '../policy/local-dialer.js';
import { RawRoutesRepository } from '../raw/raw-routes.repository.js';
import { LocalChecksRepository } from './local-checks.repository.js';
import { ownListeners } from './own-listeners.js';

const ROUND_MS = 5_000;
/** Changes within this time are read together. */
const SOON_MS = 50;

/**
 * What this process itself dials for local sites: what LOCAL_TARGETS lists, and never a listener of this installation. Where nothing is listed nothing is
 * read, and nothing is dialed.
 */
@Injectable()
export class LocalDialing implements OnModuleInit, OnApplicationBootstrap {
  readonly policy: DialPolicy;
  readonly dialer: LocalDialer;
  private siteIds: ReadonlySet<number> = new Set();
  private readonly task = new PeriodicTask(LocalDialing.name, {
    failure: 'What may be dialed for local sites could not be read; trying again',
    everyMs: ROUND_MS,
    run: () => this.refresh(),
  });

  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly repository: LocalChecksRepository,
    private readonly raw: RawRoutesRepository,
    private readonly lease: ServerLease,
    private readonly notifications: PgNotifications,
    private readonly host: HttpAdapterHost,
    drain: Drain,
  ) {
    this.policy = new DialPolicy(config.localTargets);
    this.dialer = new LocalDialer(this.policy);
    drain.register('flush', 'what local sites may dial', async () => this.task.stop());
  }

  onModuleInit(): void {
    if (this.policy.orgIds.length === 0) return;
    for (const channel of ['site_changed', 'resource_changed'] as const)
      this.notifications.on(channel, () => this.task.wake(SOON_MS));
  }

  onApplicationBootstrap(): void {
    if (this.policy.orgIds.length > 0) this.task.wake(SOON_MS);
  }

  /** Whether it is a local site of an organization for which anything is listed, and what must not be dialed is known. */
  serves(siteId: number): boolean {
    return this.siteIds.has(siteId);
  }

  /** Reads what else listens, and which sites there are. */
  async refresh(): Promise<void> {
    const [others, sites, rawPorts] = [
      await this.lease.listeners(),
      await this.repository.sites(this.db.manager, this.policy.orgIds),
      await this.raw.ports(this.db.manager),
    ];
    const bound = (this.host.httpAdapter.getHttpServer() as Server).address();
    const port = bound && typeof bound === 'object' ? bound.port : 0;
    this.policy.setOwn(await ownListeners(this.config, port, others, rawPorts));
    this.siteIds = new Set(sites.map(({ siteId }) => siteId));
  }
}

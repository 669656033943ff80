import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { listedBy } from '#contracts';
import { Db, PeriodicTask, PgNotifications } from '#platform';
import { DesiredLists } from '../../agents/index.js';
import { TunnelRegistry } from './tunnel-registry.js';
import { TunnelsRepository } from './tunnels.repository.js';

const SOON_MS = 20;
const RETRY_MS = 500;
const CHUNK = 1_000;
const ORG = 'org:';

/**
 * Takes tunnels from sites that are not to have any (more), within a second and at every process, and ends streams to what a site lists no more
 * (docs/tunnel.md rules 2 and 12). By the notices that sessions follow.
 */
@Injectable()
export class TunnelWatch implements OnModuleInit, OnApplicationShutdown {
  private readonly due = new Set<number>();
  private readonly task = new PeriodicTask(TunnelWatch.name, {
    failure: 'Tunnels could not be looked at',
    retryMs: RETRY_MS,
    run: () => this.judgeDue(),
  });

  constructor(
    private readonly db: Db,
    private readonly notifications: PgNotifications,
    private readonly repository: TunnelsRepository,
    private readonly lists: DesiredLists,
    private readonly registry: TunnelRegistry,
  ) {}

  onModuleInit(): void {
    this.notifications.on('site_changed', (siteId) => this.look([Number(siteId)]));
    this.notifications.on('access_changed', (name) => {
      if (name.startsWith(ORG)) this.look(this.registry.sitesOf(name.slice(ORG.length)));
    });
    // Notices were missed.
    this.notifications.onReconnected(() => this.look(this.registry.siteIds));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** Has the tunnels of these sites judged soon. */
  look(siteIds: Iterable<number>): void {
    for (const siteId of siteIds) if (this.registry.allOf(siteId).length > 0) this.due.add(siteId);
    if (this.due.size > 0) this.task.wake(SOON_MS);
  }

  private async judgeDue(): Promise<void> {
    while (this.due.size > 0) {
      const siteIds = [...this.due].slice(0, CHUNK);
      for (const siteId of siteIds) this.due.delete(siteId);
      try {
        await this.judge(siteIds);
      } catch (error) {
        for (const siteId of siteIds) this.due.add(siteId);
        throw error;
      }
    }
  }

  private async judge(siteIds: number[]): Promise<void> {
    const connections = siteIds.flatMap((siteId) => this.registry.allOf(siteId));
    const asked = performance.now();
    const rows = await this.repository.usable(
      this.db.manager,
      connections.map(({ owner }) => owner),
    );
    const sites = new Map(rows.map((row) => [row.credentialId, row]));
    for (const connection of connections) {
      const site = sites.get(connection.owner.credentialId);
      if (!site) connection.end('credential_ended');
      else if (site.closed || site.status !== 'approved') connection.end('refused');
      else connection.owner.endsAt = site.endsIn === null ? Infinity : asked + site.endsIn;
    }
    await this.endUnlisted(
      siteIds.filter((siteId) => this.registry.allOf(siteId).some(({ streams }) => streams.size > 0)),
    );
  }

  private async endUnlisted(siteIds: number[]): Promise<void> {
    if (siteIds.length === 0) return;
    const lists = await this.lists.ofSites(this.db.manager, siteIds);
    for (const siteId of siteIds) {
      const isListed = listedBy(lists.get(siteId)!);
      for (const connection of this.registry.allOf(siteId)) connection.keepOnly(isListed);
    }
  }
}

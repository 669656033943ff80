import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Db, PeriodicTask, PgNotifications } from '#platform';
import { RouteTable } from './route-table.js';
import { type Fingerprint, PAGE, RoutesRepository } from './routes.repository.js';

/** Changes within this time are read together. */
const SOON_MS = 20;
const RETRY_MS = 500;
/** Resources of one statement, with all their targets and rules. */
const ROUTES = 250;
const ORG = 'org:';

/** What `resource_changed` says (docs/adr/0026). */
interface ResourceNotice {
  orgId: string;
  kind: 'public' | 'private';
  ids: number[] | null;
}

/**
 * Fills the route table of this process, and keeps it as the database is (docs/adr/0097): by notices, one statement at a time; after notices
 * were missed all of it is compared before it counts as current.
 */
@Injectable()
export class RouteLoader implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly resources = new Set<number>();
  private readonly sites = new Set<number>();
  /** Whether they are closed. */
  private readonly orgs = new Set<string>();
  /** Any of their resources may have changed. */
  private readonly wholeOrgs = new Set<string>();
  private all = true;
  private loaded = false;
  /** Since when changes may have been missed (`performance.now()`), until all was compared. */
  private blindSince: number | undefined = performance.now();
  private readonly task = new PeriodicTask(RouteLoader.name, {
    failure: 'The route table could not be read; trying again',
    retryMs: RETRY_MS,
    run: () => this.readDue(),
  });

  constructor(
    private readonly db: Db,
    private readonly notifications: PgNotifications,
    private readonly repository: RoutesRepository,
    private readonly table: RouteTable,
  ) {
    shown.table = table;
    shown.loader = this;
  }

  /** Before anything is read: a notice that comes meanwhile is not lost. */
  onModuleInit(): void {
    this.notifications.on('resource_changed', (payload) => {
      const { orgId, kind, ids } = JSON.parse(payload) as ResourceNotice;
      if (kind !== 'public') return;
      if (ids) this.due(this.resources, ids);
      else this.due(this.wholeOrgs, [orgId]);
    });
    this.notifications.on('health_changed', (payload) => this.due(this.resources, JSON.parse(payload) as number[]));
    this.notifications.on('site_changed', (siteId) => this.due(this.sites, [Number(siteId)]));
    this.notifications.on('access_changed', (name) => {
      if (name.startsWith(ORG)) this.due(this.orgs, [name.slice(ORG.length)]);
    });
    this.notifications.onReconnected(() => {
      this.blindSince ??= this.notifications.heardUntil;
      this.all = true;
      this.task.wake();
    });
  }

  onApplicationBootstrap(): void {
    this.task.wake();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** Whether the table has ever been whole: before that a host that it does not know may be one. */
  get isLoaded(): boolean {
    return this.loaded;
  }

  /** Seconds for which changes may have been missed; 0: the table follows the database. */
  get ageSeconds(): number {
    const since = this.blindSince ?? (this.notifications.isDown ? this.notifications.heardUntil : undefined);
    return since === undefined ? 0 : (performance.now() - since) / 1000;
  }

  private due<Key>(keys: Set<Key>, some: Iterable<Key>): void {
    for (const key of some) keys.add(key);
    this.task.wake(SOON_MS);
  }

  private async readDue(): Promise<void> {
    // What is read while nobody listens is old at once. `onReconnected` says when that is over, but not after a first connection that failed.
    if (this.notifications.isDown) return this.task.wake(RETRY_MS);
    do {
      if (this.all) await this.compareAll();
      else await take(this.wholeOrgs, 1, ([orgId]) => this.compare(orgId));
      await this.readNamed();
    } while (this.all || [this.wholeOrgs, this.resources, this.sites, this.orgs].some(({ size }) => size > 0));
    if (this.notifications.isDown) return;
    this.blindSince = undefined;
    this.loaded = true;
  }

  private async compareAll(): Promise<void> {
    this.all = false;
    this.wholeOrgs.clear();
    for (const siteId of this.table.siteIds) this.sites.add(siteId);
    for (const orgId of this.table.orgIds) this.orgs.add(orgId);
    try {
      await this.compare();
    } catch (error) {
      this.all = true;
      throw error;
    }
  }

  /** Page by page: reads what is not as it was. What was named meanwhile does not wait for the end. */
  private async compare(orgId?: string): Promise<void> {
    const seen = new Set<number>();
    for await (const page of orgId === undefined ? this.pages() : this.pagesOf(orgId)) {
      for (const { resourceId } of page) seen.add(resourceId);
      await this.read(
        page
          .filter(({ resourceId, fingerprint }) => this.table.get(resourceId)?.fingerprint !== fingerprint)
          .map(({ resourceId }) => resourceId),
      );
      await this.readNamed();
    }
    await this.read(this.table.resourceIds(orgId).filter((id) => !seen.has(id)));
  }

  private async *pages(): AsyncGenerator<Fingerprint[]> {
    let page: Fingerprint[];
    let after = 0;
    do {
      page = await this.repository.fingerprints(this.db.manager, after);
      yield page;
      after = page.at(-1)?.resourceId ?? after;
    } while (page.length === PAGE);
  }

  private async *pagesOf(orgId: string): AsyncGenerator<Fingerprint[]> {
    const ids = await this.repository.resourceIds(this.db.manager, orgId);
    for (let from = 0; from < ids.length; from += PAGE)
      yield await this.repository.fingerprintsOf(this.db.manager, ids.slice(from, from + PAGE));
  }

  /** Some of what notices have named, of each kind, so that none waits for another. */
  private async readNamed(): Promise<void> {
    await take(this.resources, ROUTES, (ids) => this.read(ids));
    await take(this.sites, PAGE, async (ids) => {
      const known = ids.filter((id) => this.table.site(id));
      if (known.length > 0) this.table.setSites(known, await this.repository.sites(this.db.manager, known));
    });
    await take(this.orgs, PAGE, async (ids) => {
      this.table.setOrgs(ids, await this.repository.closedOrgs(this.db.manager, ids));
    });
  }

  private async read(resourceIds: number[]): Promise<void> {
    for (let from = 0; from < resourceIds.length; from += ROUTES) {
      const ids = resourceIds.slice(from, from + ROUTES);
      const rows = await this.repository.routes(this.db.manager, ids);
      const unknown = this.table.unknownSites(rows);
      this.table.apply(ids, rows, unknown.length > 0 ? await this.repository.sites(this.db.manager, unknown) : []);
    }
  }
}

/** Works on some keys of a set, which are in it again when that fails. */
async function take<Key>(keys: Set<Key>, most: number, work: (some: Key[]) => Promise<void>): Promise<void> {
  const some: Key[] = [];
  for (const key of keys) {
    if (some.length === most) break;
    some.push(key);
  }
  if (some.length === 0) return;
  for (const key of some) keys.delete(key);
  try {
    await work(some);
  } catch (error) {
    for (const key of some) keys.add(key);
    throw error;
  }
}

const shown: { table?: RouteTable; loader?: RouteLoader } = {};
new Gauge({
  name: 'gatehouse_route_table_resources',
  help: 'Public resources that the route table of this process holds',
  collect() {
    this.set(shown.table?.size ?? 0);
  },
});
new Gauge({
  name: 'gatehouse_route_table_age_seconds',
  help: 'Seconds for which the route table of this process may have missed changes; 0 while it follows the database',
  collect() {
    this.set(shown.loader?.ageSeconds ?? 0);
  },
});

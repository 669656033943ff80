import { AcknowledgementsService } from '../../src/instances/bundles/acknowledgements.service.js';
import { BundlesService } from '../../src/instances/bundles/bundles.service.js';
import type { RolloutView } from '../../src/instances/rollouts/rollouts.dto.js';
import type { BundleOrg, BundleRow, BundleSite } from './bundles.js';
import { secretValue } from './secret-values.js';
import { until } from './server.js';
import type { TestApp } from './test-app.js';

/** What tests of rollouts do with an organization's sites, and see of its rollouts. */
export class RolloutBench {
  constructor(
    private readonly app: TestApp,
    readonly of: BundleOrg,
  ) {}

  /** Sites that run with what is settled. */
  async sites(count: number): Promise<BundleSite[]> {
    const sites: BundleSite[] = [];
    for (let i = 0; i < count; i++) sites.push(await this.of.site());
    await this.offerSettled(...sites);
    for (const site of sites) await this.answer(site, 'applied');
    return sites;
  }

  /** As a site that fetches its first bundle. */
  offerSettled = (...sites: BundleSite[]) =>
    this.app.db.tx((tx) =>
      this.app.get(BundlesService).offer(
        tx,
        this.of.org.orgId,
        sites.map(({ siteId }) => siteId),
        (inputs) => inputs,
        null,
      ),
    );

  /** The site fetches what it is offered, and says what became of it. */
  async answer(site: BundleSite, state: 'applied' | 'failed'): Promise<void> {
    const digest = `digest-${site.siteId}`;
    const [row] = await this.app.sql<{ version: number }>(
      'UPDATE site_bundle SET digest = $2 WHERE site_id = $1 RETURNING version',
      [site.siteId, digest],
    );
    await this.app
      .get(AcknowledgementsService)
      .take(this.of.org.orgId, site.siteId, { version: row!.version, digest, state, reason: 'exit 1' });
  }

  /** Without a session that anybody would have to hold. */
  connect = (site: BundleSite, takesBundles = true) =>
    this.app.sql('UPDATE site_presence SET session_id = gen_random_uuid(), takes_bundles = $2 WHERE site_id = $1', [
      site.siteId,
      takesBundles,
    ]);

  /** As if the offers had been made so much earlier. */
  waited = (minutes: number, ...sites: BundleSite[]) =>
    this.app.sql('UPDATE site_bundle SET changed_at = now() - make_interval(mins => $2) WHERE site_id = ANY($1)', [
      sites.map(({ siteId }) => siteId),
      minutes,
    ]);

  /** Which version of a secret each site is offered. */
  async offered(name: string, sites: BundleSite[]): Promise<(number | undefined)[]> {
    return (await this.rows(sites)).map((row) => row?.inputs.secrets[name]?.version);
  }

  rows = (sites: BundleSite[]): Promise<(BundleRow | undefined)[]> =>
    Promise.all(sites.map((site) => this.of.bundle(site)));

  /** Once the job has offered it to so many sites. */
  reached = (jobId: number, sites: number) =>
    until(async () => {
      const rollout = await this.read(jobId);
      return rollout.offered >= sites && rollout;
    });

  async list(): Promise<RolloutView[]> {
    return (await this.app.root.expect<{ rollouts: RolloutView[] }>('GET', this.of.org.path('rollouts'))).rollouts;
  }

  async read(jobId: number): Promise<RolloutView> {
    return (await this.list()).find((one) => one.jobId === jobId)!;
  }

  became = (jobId: number, status: RolloutView['status']) =>
    until(async () => {
      const rollout = await this.read(jobId);
      return rollout.status === status && rollout;
    });

  change = (jobId: number, change: 'pause' | 'resume' | 'cancel') =>
    this.app.root.expect('POST', this.of.org.path(`jobs/${jobId}/${change}`));

  /** Adds a version to a secret. @returns the job that brings it to sites */
  async addVersion(name: string, rollout: object = {}): Promise<number> {
    await this.app.root.expect('POST', this.of.org.path(`secret/${name}/version`), {
      value: secretValue('next'),
      rollout,
    });
    return (await this.list()).find(({ change }) => change.secret === name)!.jobId;
  }

  async settled(name: string): Promise<number> {
    const secret = await this.app.root.expect<{ settledVersion: number }>('GET', this.of.org.path(`secret/${name}`));
    return secret.settledVersion;
  }

  events = (jobId: number) =>
    this.app.sql<{ type: string; data: Record<string, unknown> }>(
      `SELECT type, data FROM event WHERE org_id = $1 AND type LIKE 'rollout.%' AND (data->>'jobId')::bigint = $2 ORDER BY event_id`,
      [this.of.org.orgId, jobId],
    );
}

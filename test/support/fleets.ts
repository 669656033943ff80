import { randomBytes } from 'node:crypto';
import type { CredentialKind } from '#contracts';
import { KeyRing, randomLower, sha256 } from '#platform';
import { CredentialSuccession, type NewSiteCredential, SiteCredentialsService } from '../../src/access/index.js';
import type { FleetRotation } from '../../src/instances/rotations/rotations.dto.js';
import type { JobView } from '../../src/jobs/index.js';
import type { StartedApp } from './app.js';
import { until } from './server.js';

type Stored = Omit<NewSiteCredential, 'siteId' | 'orgId'>;
export interface FleetSite {
  siteId: number;
  credentialId: number;
  kind: CredentialKind;
}
export type RotationJob = JobView & {
  results: { item: string; outcome: string; failed: boolean; message: string | null }[];
};

const MAKE: Record<CredentialKind, (keys: KeyRing) => Stored> = {
  newt: () => ({ kind: 'newt', newtId: randomLower(15), secretHash: sha256(randomBytes(24)) }),
  api_key: () => ({ kind: 'api_key', secretHash: sha256(randomBytes(32)) }),
  psk: (keys) => ({
    kind: 'psk',
    pskIdentity: randomLower(20),
    pskEncrypted: keys.encrypt(randomBytes(32), 'psk'),
  }),
  certificate: () => {
    const end = new Date(Date.now() + 86_400_000);
    const certificateHash = randomBytes(32);
    return {
      kind: 'certificate',
      certificate: 'PEM',
      certificateHash,
      caId: 'ca-one',
      expiresAt: end,
      renewUntil: end,
    };
  },
};

/** An organization whose sites have credentials that nobody needs to prove, for tests of their rotation. */
export class Fleet {
  private readonly keys: KeyRing;

  constructor(
    private readonly server: StartedApp,
    readonly orgId: string,
  ) {
    this.keys = server.app.get(KeyRing);
  }

  async sites(count: number, kind: CredentialKind = 'api_key', more: Partial<Stored> = {}): Promise<FleetSite[]> {
    const { db } = this.server;
    const rows = await db.tx(async (tx) => {
      const made = (await tx.query(
        `INSERT INTO site (org_id, nice_id, name, status) SELECT $1, n, n, 'approved' FROM unnest($2::text[]) n RETURNING site_id::int AS id`,
        [this.orgId, Array.from({ length: count }, () => randomLower(16))],
      )) as { id: number }[];
      const siteIds = made.map(({ id }) => id);
      const ids = await this.server.app.get(SiteCredentialsService).insertMany(
        tx,
        siteIds.map((siteId) => ({ ...MAKE[kind](this.keys), ...more, siteId, orgId: this.orgId })),
      );
      return siteIds.map((siteId, i) => ({ siteId, credentialId: ids[i]!, kind }));
    });
    return rows.sort((a, b) => a.siteId - b.siteId);
  }

  /** Without sessions that anybody would have to hold. */
  connect = (sites: FleetSite[], { takes = true, client = 'agent' as 'agent' | 'newt', online = true } = {}) =>
    this.sql(
      `UPDATE site_presence SET session_id = CASE WHEN $2 THEN gen_random_uuid() END, client_type = $3,
         connected_at = coalesce(connected_at, now() - interval '1 hour'), takes_credentials = $4 WHERE site_id = ANY ($1::bigint[])`,
      [ids(sites), online, client, takes],
    );

  /** They were handed the next credential, so many minutes ago. */
  offered = (sites: FleetSite[], minutes = 0) =>
    this.sql(`UPDATE credential_rotation SET offered_at = now() - make_interval(mins => $2) WHERE site_id = ANY ($1)`, [
      ids(sites),
      minutes,
    ]);

  /** As if they had been asked so many minutes ago. */
  waited = (sites: FleetSite[], minutes: number) =>
    this.sql(
      `UPDATE credential_rotation SET requested_at = requested_at - make_interval(mins => $2) WHERE site_id = ANY ($1)`,
      [ids(sites), minutes],
    );

  /** The site gets its next credential and uses it. @returns whether that was its first use */
  async take(site: FleetSite): Promise<boolean> {
    const succession = this.server.app.get(CredentialSuccession);
    const renewing = { siteId: site.siteId, orgId: this.orgId, credentialId: site.credentialId };
    const next = await this.server.db.tx((tx) => succession.addNext(tx, renewing, MAKE[site.kind](this.keys)));
    site.credentialId = next;
    return this.server.db.tx((tx) => succession.promote(tx, { ...renewing, credentialId: next, kind: site.kind }));
  }

  /** Asks for a rotation, at full pace unless told otherwise. @returns the job */
  async rotate(filter: object, settings: object = {}, root = this.server.root): Promise<number> {
    const { jobId } = await root.expect<{ jobId: number }>('POST', `/org/${this.orgId}/credential-rotations`, {
      filter,
      perMinute: null,
      ...settings,
    });
    return jobId;
  }

  async list(): Promise<FleetRotation[]> {
    return (
      await this.server.root.expect<{ rotations: FleetRotation[] }>('GET', `/org/${this.orgId}/credential-rotations`)
    ).rotations;
  }

  read = async (jobId: number) => (await this.list()).find((one) => one.jobId === jobId)!;

  job = (jobId: number) =>
    this.server.root.expect<RotationJob>('GET', `/org/${this.orgId}/jobs/${jobId}?pageSize=1000`);

  change = (jobId: number, change: 'pause' | 'resume' | 'cancel') =>
    this.server.root.expect('POST', `/org/${this.orgId}/jobs/${jobId}/${change}`);

  /** Once the job has asked so many sites. */
  asked = (jobId: number, sites: number) =>
    until(async () => {
      const rotation = await this.read(jobId);
      return rotation.asked >= sites && rotation;
    });

  became = (jobId: number, status: FleetRotation['status']) =>
    until(async () => {
      const rotation = await this.read(jobId);
      return rotation.status === status && rotation;
    });

  /** What the job says of each site, by its id. */
  async outcomes(jobId: number): Promise<Record<string, string>> {
    return Object.fromEntries((await this.job(jobId)).results.map(({ item, outcome }) => [item, outcome]));
  }

  /** Sites that are asked to take another credential. */
  async due(): Promise<number[]> {
    const rows = await this.sql<{ id: number }>(
      'SELECT site_id::int AS id FROM credential_rotation WHERE org_id = $1 ORDER BY site_id',
      [this.orgId],
    );
    return rows.map(({ id }) => id);
  }

  sql = <Row extends object>(text: string, values: unknown[]) => this.server.db.manager.query<Row[]>(text, values);
}

export const ids = (sites: FleetSite[]) => sites.map(({ siteId }) => siteId);

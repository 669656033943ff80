import { randomUUID } from 'node:crypto';
import { provision, type TestKey, TestOrg } from './api.js';
import type { TestApp } from './test-app.js';

/** A site of a profile. */
export interface BundleSite {
  siteId: number;
  deviceId: string;
  apiKey: string;
}

/** The row of a site's bundle. */
export interface BundleRow {
  version: number | null;
  state: string | null;
  reason: string | null;
  digest: string | null;
  returned: boolean;
  applied: number | null;
  rollout: number | null;
  inputs: {
    profileId: number | null;
    revision: number | null;
    secrets: Record<string, { version: number }>;
    labels: object;
    site: object;
  };
}

/** An organization with a profile whose document has revisions, and secrets that have versions. */
export class BundleOrg {
  profileId!: number;
  private key!: TestKey;
  private readonly secretIds = new Map<string, number>();

  private constructor(
    private readonly app: TestApp,
    readonly org: TestOrg,
  ) {}

  static async create(app: TestApp): Promise<BundleOrg> {
    const made = new BundleOrg(app, await TestOrg.create(app.root));
    made.profileId = await made.profile();
    made.key = await made.org.keyUnder({ profileId: made.profileId });
    return made;
  }

  async profile(): Promise<number> {
    const { profileId } = await this.app.root.expect<{ profileId: number }>(
      'PUT',
      this.org.path('provisioning-profile'),
      {
        name: randomUUID(),
      },
    );
    return profileId;
  }

  /** A site that was claimed under the profile. */
  async site(): Promise<BundleSite> {
    const { body } = await provision(this.app.root.url, { provision_key: this.key.siteProvisioningKey });
    const [row] = await this.app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
      body.device_id,
    ]);
    return { siteId: row!.siteId, deviceId: body.device_id, apiKey: body.api_key };
  }

  /** Gives the secret its next version, settled. @returns it */
  async secret(name: string): Promise<{ secretId: number; secretVersionId: number; version: number }> {
    const [row] = await this.app.sql<{ secretId: number; secretVersionId: number; version: number }>(
      `WITH s AS (
         INSERT INTO secret (org_id, name) VALUES ($1, $2)
         ON CONFLICT (org_id, name) DO UPDATE SET current_version = secret.current_version + 1, settled_version = secret.current_version + 1
         RETURNING secret_id, current_version
       ), v AS (
         INSERT INTO secret_version (secret_id, version, wrapped_key, sealed_value, created_by) SELECT secret_id, current_version, 'k', 'v', 'test' FROM s RETURNING *
       ) SELECT secret_id AS "secretId", secret_version_id AS "secretVersionId", version FROM v`,
      [this.org.orgId, name],
    );
    this.secretIds.set(name, row!.secretId);
    return row!;
  }

  async bundle({ siteId }: BundleSite): Promise<BundleRow | undefined> {
    const [row] = await this.app.sql<BundleRow>(
      `SELECT version, state, reason, digest, returned, applied_version AS applied, rollout_id AS rollout, inputs FROM site_bundle WHERE site_id = $1`,
      [siteId],
    );
    return row;
  }

  events = ({ siteId }: BundleSite) =>
    this.app.sql<{ type: string; data: Record<string, unknown> }>(
      `SELECT type, data FROM event WHERE site_id = $1 AND (type LIKE 'bundle.%' OR type = 'site.cloned') ORDER BY event_id`,
      [siteId],
    );

  /** Saves a revision by hand, which names these secrets, and settles it. */
  async revision(document: string, secrets: string[] = []): Promise<number> {
    const [row] = await this.app.sql<{ revision: number }>(
      `WITH r AS (
         INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by)
         SELECT $1, coalesce((SELECT max(revision) FROM bootstrap_revision WHERE profile_id = $1), 0) + 1, $2, $3, 'test' RETURNING revision
       ), b AS (
         INSERT INTO bootstrap (profile_id, org_id, current_revision, settled_revision) SELECT $1, $2, revision, revision FROM r
         ON CONFLICT (profile_id) DO UPDATE SET current_revision = excluded.current_revision, settled_revision = excluded.settled_revision
       ) SELECT revision FROM r`,
      [this.profileId, this.org.orgId, document],
    );
    for (const name of secrets)
      await this.app.sql('INSERT INTO bootstrap_secret (profile_id, revision, secret_id) VALUES ($1, $2, $3)', [
        this.profileId,
        row!.revision,
        this.secretIds.get(name),
      ]);
    return row!.revision;
  }
}

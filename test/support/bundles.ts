import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import type { BundleKey } from '#contracts';
import { KeyRing } from '#platform';
import { newHardwareId, provision, type TestKey, TestOrg } from './api.js';
import { requireMark, secretValue } from './secret-values.js';
import type { TestApp } from './test-app.js';

/** A site of a profile. */
export interface BundleSite {
  siteId: number;
  deviceId: string;
  apiKey: string;
  hardwareId: string;
}

/** A version of a secret, as inputs of bundles name it. */
interface StoredVersion {
  secretId: number;
  secretVersionId: number;
  version: number;
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

/** A document that names these secrets. */
export const documentWith = (...secrets: string[]) => ({
  env: Object.fromEntries(secrets.map((name) => [name, `{{secret.${name}}}`])),
});

/** An organization with a profile whose document has revisions, and secrets that have versions. */
export class BundleOrg {
  profileId!: number;
  private key!: TestKey;

  private constructor(
    private readonly app: TestApp,
    readonly org: TestOrg,
  ) {}

  static async create(app: TestApp): Promise<BundleOrg> {
    const made = new BundleOrg(app, await TestOrg.create(app.root));
    made.profileId = await made.profile();
    // As bounded as it must be to approve at once where a document names secrets (docs/instances.md §2).
    const bounds = { maxBatchSize: 10_000, validUntil: new Date(Date.now() + 86_400_000).toISOString() };
    made.key = await made.org.keyUnder({ profileId: made.profileId, hardwareIdPattern: '[0-9a-f-]{36}' }, bounds);
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
  site = () => this.claim(newHardwareId());

  async claim(hardwareId: string): Promise<BundleSite> {
    const { body } = await provision(this.app.root.url, {
      provision_key: this.key.siteProvisioningKey,
      hardware_id: hardwareId,
    });
    const [row] = await this.app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
      body.device_id,
    ]);
    return { siteId: row!.siteId, deviceId: body.device_id, apiKey: body.api_key, hardwareId };
  }

  /** Gives the secret its next version, settled at once: no rollout begins. @returns it */
  async secret(name: string, value = secretValue(name)): Promise<StoredVersion> {
    requireMark(value);
    const [row] = await this.app.sql<{ secretId: number; version: number }>(
      `INSERT INTO secret (org_id, name) VALUES ($1, $2)
       ON CONFLICT (org_id, name) DO UPDATE SET current_version = secret.current_version + 1, settled_version = secret.current_version + 1
       RETURNING secret_id AS "secretId", current_version AS version`,
      [this.org.orgId, name],
    );
    const { secretId, version } = row!;
    const { wrappedKey, sealed } = this.app
      .get(KeyRing)
      .encryptApart(Buffer.from(value), `secret:${secretId}:${version}`);
    const [stored] = await this.app.sql<{ secretVersionId: number }>(
      `INSERT INTO secret_version (secret_id, version, wrapped_key, sealed_value, created_by) VALUES ($1, $2, $3, $4, 'test')
       RETURNING secret_version_id AS "secretVersionId"`,
      [secretId, version, wrappedKey, sealed],
    );
    return { secretId, version, ...stored! };
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

  /** Saves a revision by hand, settled at once: no rollout begins. @returns it */
  async revision(document: object, profileId = this.profileId): Promise<number> {
    const text = JSON.stringify(document);
    const [row] = await this.app.sql<{ revision: number }>(
      `WITH r AS (
         INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by)
         SELECT $1, coalesce((SELECT max(revision) FROM bootstrap_revision WHERE profile_id = $1), 0) + 1, $2, $3, 'test' RETURNING revision
       ), b AS (
         INSERT INTO bootstrap (profile_id, org_id, current_revision, settled_revision) SELECT $1, $2, revision, revision FROM r
         ON CONFLICT (profile_id) DO UPDATE SET current_revision = excluded.current_revision, settled_revision = excluded.settled_revision
       ) SELECT revision FROM r`,
      [profileId, this.org.orgId, text],
    );
    await this.app.sql(
      `INSERT INTO bootstrap_secret (profile_id, revision, secret_id) SELECT $1, $2, secret_id FROM secret WHERE org_id = $3 AND strpos($4, 'secret.' || name) > 0`,
      [profileId, row!.revision, this.org.orgId, text],
    );
    return row!.revision;
  }

  /** Gives the site a bundle key, as its claim does. @returns the pair */
  async bundleKey({ siteId }: BundleSite, kind: 'X25519' | 'P-256' = 'X25519'): Promise<KeyPair> {
    const { privateKey } =
      kind === 'X25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve: kind });
    const { d, ...publicJwk } = privateKey.export({ format: 'jwk' }) as KeyPair['privateJwk'];
    const jkt = await calculateJwkThumbprint(publicJwk);
    await this.app.sql(
      `INSERT INTO site_bundle (site_id, org_id, bundle_key, bundle_jkt) VALUES ($1, $2, $3, $4)
       ON CONFLICT (site_id) DO UPDATE SET bundle_key = excluded.bundle_key, bundle_jkt = excluded.bundle_jkt`,
      [siteId, this.org.orgId, JSON.stringify(publicJwk), jkt],
    );
    return { privateJwk: { ...publicJwk, d }, jkt };
  }
}

/** A bundle key with its private half, which no server ever has. */
export interface KeyPair {
  privateJwk: BundleKey & { d: string };
  jkt: string;
}

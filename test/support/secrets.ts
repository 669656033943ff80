import type { TestApp } from './test-app.js';

/** What these need of a server: an app in this process, or one of its own. */
type Rows = Pick<TestApp, 'root' | 'sql'>;

/** A profile whose bootstrap names these secrets, written as rows and settled: how a document gets there is not what these tests are about. */
export async function profileNaming(app: Rows, orgId: string, names: string[], revision = 1): Promise<number> {
  const { profileId } = await app.root.expect<{ profileId: number }>('PUT', `/org/${orgId}/provisioning-profile`, {
    name: `naming ${names.join(' ')} ${Math.random()}`,
  });
  await nameIn(app, orgId, profileId, names, revision);
  return profileId;
}

/** A bootstrap with an environment variable of each secret. */
export const documentNaming = (names: string[]) =>
  JSON.stringify({ env: Object.fromEntries(names.map((name) => [`IN_${name}`, `{{secret.${name}}}`])) });

/** The next revision of a profile's bootstrap, which names these and no others. */
export async function nameIn(app: Rows, orgId: string, profileId: number, names: string[], revision: number) {
  await app.sql(
    `INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) VALUES ($1, $2, $3, $4, 'test')`,
    [profileId, revision, orgId, documentNaming(names)],
  );
  await app.sql(
    `INSERT INTO bootstrap (profile_id, org_id, current_revision, settled_revision) VALUES ($1, $2, $3, $3)
     ON CONFLICT (profile_id) DO UPDATE SET current_revision = $3, settled_revision = $3`,
    [profileId, orgId, revision],
  );
  await app.sql(
    'INSERT INTO bootstrap_secret (profile_id, revision, secret_id) SELECT $1, $2, secret_id FROM secret WHERE org_id = $3 AND name = ANY($4::text[])',
    [profileId, revision, orgId, names],
  );
}

/** @returns the id of a version */
export async function versionId(app: Rows, orgId: string, name: string, version: number): Promise<number> {
  const [row] = await app.sql<{ id: number }>(
    'SELECT secret_version_id AS id FROM secret_version JOIN secret USING (secret_id) WHERE org_id = $1 AND name = $2 AND secret_version.version = $3',
    [orgId, name, version],
  );
  return row!.id;
}

/** What a site is offered and runs with, of secret versions. */
export async function holds(
  app: Rows,
  orgId: string,
  siteId: number,
  offered: number[],
  applied: number[] = offered,
): Promise<void> {
  await app.sql(
    `INSERT INTO site_bundle (site_id, org_id, version, inputs, state, secrets, applied_secrets)
     VALUES ($1, $2, 1, '{}', CASE WHEN $3::bigint[] = $4::bigint[] THEN 'applied' ELSE 'offered' END, $3, $4)
     ON CONFLICT (site_id) DO UPDATE SET secrets = $3, applied_secrets = $4, state = excluded.state`,
    [siteId, orgId, offered, applied],
  );
}

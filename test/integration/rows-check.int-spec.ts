// `npm run admin -- check`: rows that are not as they must be (docs/instances.md §2).
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOptions, DatabaseClient } from '#platform';
import { checkRows } from '../../src/first-run/rows-check.js';
import { BundlesService } from '../../src/instances/bundles/bundles.service.js';
import { SigningKeys } from '../../src/instances/index.js';
import { newHardwareId, provision, TestOrg } from '../support/api.js';
import { migrateFixture } from '../support/fixture.js';
import { secretValue } from '../support/secret-values.js';
import { profileNaming } from '../support/secrets.js';
import { TEST_MASTER_KEY } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let client: DatabaseClient;
const ids: Record<string, string | number> = {};

beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  client = await new DatabaseClient(clientOptions(app.database.url, 'test')).connect();
  // Something of everything that is looked at, some of it used up or gone.
  for (const name of ['TOKEN', 'OTHER', 'GONE'])
    await app.root.expect('PUT', org.path('secret'), { name, value: secretValue('x') });
  await app.root.expect('POST', org.path('secret/OTHER/version'), { value: secretValue('y') });
  await app.root.expect('DELETE', org.path('secret/OTHER/version/1'));
  await app.root.expect('DELETE', org.path('secret/GONE'));
  const profileId = await profileNaming(app, org.orgId, ['TOKEN']);
  await app.root.expect('POST', org.path('secret/OTHER'), { profileIds: [profileId] });
  const { templateId } = await org.template({ profileId });
  const key = await org.key({ templateId, maxBatchSize: 5 });
  await app.root.expect('POST', org.path(`site-provisioning-key/${key.siteProvisioningKeyId}/rotate`), {});
  const hardwareId = newHardwareId();
  const claimed = await provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: hardwareId });
  const [row] = await app.sql<{ siteId: number; orgUid: string }>(
    'SELECT site_id AS "siteId", org_uid AS "orgUid" FROM site JOIN org USING (org_id) WHERE device_id = $1',
    [claimed.body.device_id],
  );
  await app.db.tx((tx) => app.get(BundlesService).refresh(tx, org.orgId, row!.siteId));
  await app.get(SigningKeys).thumbprints(row!.orgUid);
  Object.assign(ids, { profile: profileId, key: key.siteProvisioningKeyId, org: org.orgId, ...row });
});
afterAll(async () => {
  await client?.end();
  await app?.close();
});

/** Its columns that are not computed from others. */
const writable = async (table: string): Promise<string> => {
  const { rows } = await client.query<{ columns: string }>(
    `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
    [table],
  );
  return rows[0]!.columns;
};
const check = (masterKey = TEST_MASTER_KEY) => checkRows(client, [Buffer.from(masterKey, 'base64')]);
const filled = (text: string) => text.replace(/<(\w+)>/g, (_, name: string) => String(ids[name]));

describe('a check of the rows', () => {
  it('finds nothing in a sound database, and changes nothing', async () => {
    expect(await check()).toEqual([]);
  });

  it('finds nothing in a database of 0.1.0 that was brought up to date', async () => {
    const old = await migrateFixture('0.1.0');
    const other = await new DatabaseClient(clientOptions(old.url, 'test')).connect();
    try {
      expect(await checkRows(other, [Buffer.from(TEST_MASTER_KEY, 'base64')])).toEqual([]);
    } finally {
      await other.end();
      await old.drop();
    }
  });

  it('says it of another master key', async () => {
    expect(await check(Buffer.alloc(32, 2).toString('base64'))).toEqual([
      filled('2 versions of secrets that cannot be decrypted: <org> TOKEN version 1, <org> OTHER version 2'),
      filled('2 signing keys that cannot be decrypted: organization <orgUid> key 1, organization <orgUid> key 2'),
    ]);
  });

  it.each<[found: string, broken: string]>([
    [
      '1 bundles or leases under another organization than their site: site <siteId>',
      `UPDATE site_bundle SET org_id = 'x'`,
    ],
    [
      '1 bundles or leases under another organization than their site: site <siteId>',
      `INSERT INTO site_lease (site_id, org_id, jti, expires_at) VALUES (<siteId>, 'x', 'j', now())`,
    ],
    [
      '1 bootstraps under another organization than their profile: profile <profile>',
      `UPDATE bootstrap_revision SET org_id = 'x'`,
    ],
    [
      '1 bootstraps without their current or settled revision: profile <profile>',
      'UPDATE bootstrap SET settled_revision = 7',
    ],
    [
      '1 bootstraps that name a secret that is gone: profile <profile> TOKEN',
      `UPDATE secret SET deleted_at = now() WHERE name = 'TOKEN'`,
    ],
    [
      '1 secrets for a profile that is gone: <org> OTHER',
      `UPDATE secret SET profile_ids = '{987}' WHERE name = 'OTHER'`,
    ],
    [
      '1 secrets that count their versions wrongly: <org> TOKEN',
      `UPDATE secret SET current_version = 2 WHERE name = 'TOKEN'`,
    ],
    [
      '1 secrets whose current or settled version was destroyed: <org> OTHER',
      `UPDATE secret SET settled_version = 1 WHERE name = 'OTHER'`,
    ],
    [
      '1 bundles that hold a version of a secret that was destroyed: site <siteId>',
      `UPDATE site_bundle SET secrets = '{987}'`,
    ],
    [
      '1 signing keys that are to sign without their private half: organization <orgUid> key 1',
      `UPDATE signing_key SET sealed_key = NULL WHERE state = 'current'`,
    ],
    [
      '1 signing keys that were succeeded and have their private half still: organization <orgUid> key 0',
      `INSERT INTO signing_key (org_uid, seq, kid, public_key, sealed_key, state)
       SELECT org_uid, 0, 'old', public_key, NULL, 'retired' FROM signing_key WHERE seq = 1;
       UPDATE signing_key o SET sealed_key = k.sealed_key FROM signing_key k WHERE o.kid = 'old' AND k.state = 'current'`,
    ],
    [
      '1 signing keys that none is announced to follow: organization <orgUid> key 1',
      `DELETE FROM signing_key WHERE state = 'next'`,
    ],
    ['1 counts of sites that are wrong: <org> pending', `UPDATE site_count SET n = n + 1 WHERE status = 'pending'`],
    [
      '1 counts of resources that are wrong: <org> private',
      `INSERT INTO resource_count (org_id, kind, lane, n) VALUES ('<org>', 'private', 99, 1)`,
    ],
    [
      '1 provisioning keys whose uses are not those of their generations: <key>',
      `UPDATE provisioning_key SET uses = uses + 1 WHERE key_id = '<key>'`,
    ],
    [
      '1 versions of secrets that cannot be decrypted: <org> TOKEN version 1',
      `UPDATE secret_version SET sealed_value = '\\x00' WHERE secret_id = (SELECT secret_id FROM secret WHERE name = 'TOKEN')`,
    ],
    [
      '1 signing keys that cannot be decrypted: organization <orgUid> key 2',
      `UPDATE signing_key SET sealed_key = sealed_key || '\\x00' WHERE state = 'next'`,
    ],
  ])('finds %s', async (found, broken) => {
    // The check has a transaction of its own: what is broken for it is undone by the copies.
    const tables = [...broken.matchAll(/(?:UPDATE|INTO|DELETE FROM) (\w+)/g)].map(([, table]) => table!);
    const kept = [...new Set(tables)];
    for (const table of kept) await client.query(`CREATE TEMP TABLE kept_${table} AS TABLE ${table}`);
    await client.query('SET session_replication_role = replica');
    try {
      await client.query(filled(broken));
      expect(await check()).toContain(filled(found));
    } finally {
      for (const table of kept) {
        const columns = await writable(table);
        await client.query(
          `DELETE FROM ${table}; INSERT INTO ${table} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM kept_${table}; DROP TABLE kept_${table}`,
        );
      }
      await client.query('SET session_replication_role = origin');
    }
    expect(await check()).toEqual([]);
  });
});

import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../libs/platform/database/migrate.js';
import { SiteCredentialsService } from '../../src/access/index.js';
import { MIGRATIONS } from '../../src/schema.js';
import { Api } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { queryDatabase, type TestDatabase } from '../support/database.js';
import { fixtureSecrets, migrateFixture, restoreFixture } from '../support/fixture.js';

let database: TestDatabase;
let app: StartedApp;
beforeAll(async () => {
  database = await migrateFixture('0.1.0');
  app = await startApp(database.url);
});
afterAll(async () => {
  await app?.close();
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const LIFE = `stage, ends_at, expires_at, renew_until - expires_at = interval '30 days' AS grace, encode(certificate_hash, 'hex') AS hash, serial`;

describe('the credentials of 0.1.0, brought up to date', () => {
  it('have no end, and are current', async () => {
    const rows = await sql(`SELECT ${LIFE} FROM site_credential WHERE kind <> 'certificate'`);
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows)
      expect(row).toEqual({ stage: 'current', ends_at: null, expires_at: null, grace: null, hash: null, serial: null });
  });

  it('that are certificates keep the ten years that are written in them, and are found by their hash', async () => {
    const [row] = await sql<{ siteId: string; pem: string }>(
      `SELECT ${LIFE}, site_id AS "siteId", certificate AS pem FROM site_credential WHERE kind = 'certificate'`,
    );
    const { siteId, pem, ...life } = row!;
    const certificate = new X509Certificate(pem);
    const hash = createHash('sha256').update(certificate.raw).digest();
    expect(life).toEqual({
      stage: 'current',
      ends_at: null,
      expires_at: new Date(certificate.validTo),
      grace: true,
      hash: hash.toString('hex'),
      serial: certificate.serialNumber.toLowerCase(),
    });
    expect(await app.app.get(SiteCredentialsService).authenticateCertificate(hash, () => true)).toMatchObject({
      siteId: Number(siteId),
      kind: 'certificate',
    });
  });

  it('are good for as long as they say, since their authority is the one that issues', async () => {
    const ends = (table: string) =>
      sql(`SELECT credential_id, ends_at, expires_at, renew_until FROM ${table} ORDER BY credential_id`);
    expect(await ends('credential_life')).toEqual(await ends('site_credential'));
    const [left] = await sql(
      'SELECT FROM site_credential c LEFT JOIN usable_credential u USING (credential_id) WHERE c.revoked_at IS NULL AND u.credential_id IS NULL',
    );
    expect(left).toBeUndefined();
  });

  it('are renewed as those of today', async () => {
    const device = new Api(app.url, fixtureSecrets('0.1.0').device.api_key);
    const renewed = await device.post('/device/credential/renew', {});
    expect(renewed).toMatchObject({ status: 201, body: { credential_type: 'api_key', expires_at: null } });
    const next = (renewed.body as unknown as { api_key: string }).api_key;
    expect((await device.as(next).get('/device/self')).status).toBe(200);
    expect((await device.get('/device/self')).status).toBe(200);
  });

  it('were asked of nobody by a job, and nobody has said that it takes bundles or the next one', async () => {
    const old = await restoreFixture('0.1.0');
    try {
      const ask = <Row extends object>(text: string) => queryDatabase<Row>(old.url, text);
      const connected = await ask('UPDATE site_presence SET session_id = gen_random_uuid() RETURNING site_id');
      await migrate(old.url, MIGRATIONS);
      expect(await ask('SELECT site_id FROM site_connected WHERE NOT takes_bundles')).toEqual(connected);
      expect(await ask('SELECT site_id FROM site_client WHERE online AND NOT takes_credentials')).toEqual(connected);
      expect(connected.length).toBeGreaterThan(0);
      expect(await ask('SELECT FROM credential_proof')).toEqual([]);
      expect(await ask('SELECT FROM credential_rotation')).toEqual([]);
      // A site of then that proves what a job asked for is written down once, and goes with its site.
      const proof = 'INSERT INTO credential_proof (job_id, site_id) SELECT 1, min(site_id) FROM site_credential';
      await ask(proof);
      await expect(ask(proof)).rejects.toThrow(/credential_proof/);
      await ask('DELETE FROM site WHERE site_id = (SELECT site_id FROM credential_proof)');
      expect(await ask('SELECT FROM credential_proof')).toEqual([]);
    } finally {
      await old.drop();
    }
  });

  it('are under templates that say no end, renew for 30 days, and alert', async () => {
    expect(
      await sql(
        'SELECT DISTINCT credential_ttl_seconds AS ttl, renew_grace_seconds AS grace, on_reuse AS reuse FROM provisioning_template',
      ),
    ).toEqual([{ ttl: null, grace: 2_592_000, reuse: 'alert' }]);
  });
});

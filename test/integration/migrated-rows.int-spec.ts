import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../libs/platform/database/migrate.js';
import { MIGRATIONS } from '../../src/schema.js';
import { deviceToken, provision } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { queryDatabase, type TestDatabase } from '../support/database.js';
import { type FixtureSecrets, fixtureSecrets, migrateFixture, restoreFixture } from '../support/fixture.js';
import { until } from '../support/server.js';

const versions = readdirSync(fileURLToPath(new URL('../fixtures', import.meta.url))).flatMap(
  (name) => /^(.*)\.sql$/.exec(name)?.[1] ?? [],
);

describe.each(versions)('a database of %s, brought up to date', (version) => {
  let database: TestDatabase;
  let secrets: FixtureSecrets;
  let app: StartedApp;
  beforeAll(async () => {
    secrets = fixtureSecrets(version);
    database = await migrateFixture(version);
    app = await startApp(database.url, { BASE_DOMAIN: 'gate.example' });
  });
  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  it('makes none of its sites ephemeral, and compares its hardware ids as they are', async () => {
    const { provisioningTemplates } = await app.root.expect<{ provisioningTemplates: object[] }>(
      'GET',
      '/org/acme/provisioning-templates',
    );
    expect(provisioningTemplates.length).toBeGreaterThan(0);
    for (const template of provisioningTemplates)
      expect(template).toMatchObject({ ephemeralSeconds: null, hardwareIdForm: null });
    const { sites } = await app.root.expect<{ sites: object[] }>('GET', '/org/acme/sites?pageSize=100');
    for (const site of sites) expect(site).toMatchObject({ ephemeralSeconds: null });
    const { claims } = await app.root.expect<{ claims: object[] }>('GET', '/org/acme/claims');
    expect(claims.length).toBeGreaterThan(0);
    for (const claim of claims) expect(claim).toMatchObject({ sentHardwareId: null });
  });

  it('gives each site the profile of the template that it was claimed under, without a new version of any', async () => {
    const old = await restoreFixture(version);
    try {
      const sql = <Row extends object>(text: string) => queryDatabase<Row>(old.url, text);
      // One whose template has been deleted, and one that was made by hand.
      await sql(`UPDATE site SET template_id = 999999999 WHERE name = 'Branch'`);
      await sql(`UPDATE site SET template_id = NULL WHERE name = 'Gate'`);
      const versions = () => sql<{ version: number }>('SELECT site_id, version FROM site ORDER BY site_id');
      const before = await versions();
      const expected = await sql<{ name: string; profile: number | null }>(
        `SELECT s.name, t.profile_id AS profile FROM site s LEFT JOIN provisioning_template t USING (template_id) ORDER BY site_id`,
      );
      await migrate(old.url, MIGRATIONS);
      expect(await sql('SELECT name, profile_id AS profile FROM site ORDER BY site_id')).toEqual(expected);
      expect(expected.filter(({ profile }) => profile !== null).length).toBeGreaterThan(1);
      expect(expected).toEqual(
        expect.arrayContaining([
          { name: 'Branch', profile: null },
          { name: 'Gate', profile: null },
        ]),
      );
      expect(await versions()).toEqual(before);
    } finally {
      await old.drop();
    }
  });

  it('sums up the refused claims of then by key and reason, and tells of none again', async () => {
    const old = await restoreFixture(version);
    try {
      const sql = <Row extends object>(text: string) => queryDatabase<Row>(old.url, text);
      // One that was counted, beside the one of then; another of then named no key that exists.
      const [first] = await sql<{ key: string }>(
        `SELECT key_id AS key FROM claim WHERE outcome = 'refused' AND reason = 'used_up'`,
      );
      await sql(`INSERT INTO claim (org_id, key_id, door, outcome, reason, address, count)
        SELECT org_id, key_id, door, outcome, reason, '192.0.2.2', 40 FROM claim WHERE outcome = 'refused' AND reason = 'used_up'`);
      await migrate(old.url, MIGRATIONS);
      expect(
        await sql('SELECT key_id AS key, reason, count::int, told::int, host(last_address) AS last FROM key_refusal'),
      ).toEqual([{ key: first!.key, reason: 'used_up', count: 41, told: 41, last: '192.0.2.2' }]);
    } finally {
      await old.drop();
    }
  });

  it('offers none of its sites a bundle, and has no leases of them', async () => {
    expect(await app.root.expect('GET', '/org/acme/bundles')).toMatchObject({ bundles: [], pagination: { total: 0 } });
    const { sites } = await app.root.expect<{ sites: { siteId: number }[] }>('GET', '/org/acme/sites?pageSize=1');
    expect(await app.root.expect('GET', `/site/${sites[0]!.siteId}/bundle`)).toMatchObject({
      version: null,
      state: null,
      secrets: [],
      lease: null,
    });
  });

  it('waits for no other device of any of its sites, and has one take a site of then over', async () => {
    const old = await restoreFixture(version);
    let server: StartedApp | undefined;
    try {
      await migrate(old.url, MIGRATIONS);
      expect(await queryDatabase(old.url, 'SELECT FROM site_replacement')).toEqual([]);
      server = await startApp(old.url);
      const hardwareId = 'the-one-after';
      const waiting = await server.root.expect('POST', `/site/${secrets.device.siteId}/replace`, { hardwareId });
      expect(waiting).toMatchObject({ state: 'waiting', hardwareId });
      const claim = await provision(server.url, { provision_key: secrets.provisioningKey, hardware_id: hardwareId });
      expect(claim).toMatchObject({ status: 201, body: { credential_type: 'api_key' } });
      expect((await deviceToken(server.url, claim.body.api_key)).status).toBe(200);
      expect((await deviceToken(server.url, secrets.device.api_key)).status).toBe(401);
      expect(await server.root.expect('GET', `/site/${secrets.device.siteId}`)).toMatchObject({
        name: 'Press 14',
        hardwareId,
      });
    } finally {
      await server?.close();
      await old.drop();
    }
  });

  it('has no jobs yet, and does one for an organization of then', async () => {
    expect(await app.root.expect('GET', '/org/acme/jobs')).toMatchObject({ jobs: [], pagination: { total: 0 } });
    const body = { siteIds: [999999999], decision: 'approve', asJob: true };
    const { jobId } = await app.root.expect<{ jobId: number }>('POST', '/org/acme/approvals', body);
    const job = await until(async () => {
      const read = await app.root.expect<{ finishedAt: string | null }>('GET', `/org/acme/jobs/${jobId}`);
      return read.finishedAt !== null && read;
    });
    expect(job).toMatchObject({ status: 'succeeded', total: 1, done: 1, results: [{ outcome: 'not_found' }] });
  });

  it('answers a repeated Idempotency-Key of then, and no other body', async () => {
    const { method, path, key, body } = secrets.idempotent;
    const again = (what: object) => app.root.as(secrets.rootKey, { 'idempotency-key': key }).send(method, path, what);
    expect((await again(body)).headers.get('idempotency-replayed')).toBe('true');
    expect((await again({ ...body, name: 'another' })).status).toBe(409);
  });

  it('has roles that are unique in any case and width: the oldest kept its name, and the audit tells of the others', async () => {
    const { roles } = await app.root.expect<{ roles: { roleId: number; name: string }[] }>(
      'GET',
      '/org/acme/roles?pageSize=100',
    );
    const names = roles.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['Admin', 'Member', 'Operator', 'operator (2)', '\uff2fperator (3)', 'Night shift ']),
    );
    expect((await app.root.put('/org/acme/role', { name: 'night SHIFT' })).status).toBe(409);
    const told = await queryDatabase<{ id: string; details: { was: string; name: string } }>(
      database.url,
      `SELECT target_id AS id, details FROM audit WHERE action = 'role.rename' AND org_id = 'acme' ORDER BY target_id::int`,
    );
    expect(told.map(({ details }) => [details.was, details.name])).toEqual([
      ['operator', 'operator (2)'],
      ['\uff2fperator', '\uff2fperator (3)'],
    ]);
    expect(told.map(({ id }) => roles.find(({ roleId }) => String(roleId) === id)?.name)).toEqual(
      told.map(({ details }) => details.name),
    );
  });
});

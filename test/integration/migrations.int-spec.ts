import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../libs/platform/database/migrate.js';
import { SetupLinks } from '../../src/first-run/index.js';
import { MIGRATIONS } from '../../src/schema.js';
import { Api, deviceToken, newtToken, provision } from '../support/api.js';
import { logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { type FixtureSecrets, fixtureSecrets, migrateFixture, restoreFixture } from '../support/fixture.js';
import { ResourceNotices } from '../support/notices.js';

const versions = readdirSync(fileURLToPath(new URL('../fixtures', import.meta.url))).flatMap(
  (name) => /^(.*)\.sql$/.exec(name)?.[1] ?? [],
);

/** Everything that a migration makes, in words that do not depend on the order in which columns were added. */
const SCHEMA = `
  SELECT format('column %s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid)) AS fact
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
  UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL SELECT format('constraint %s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
  UNION ALL SELECT format('view %s %s', viewname, definition) FROM pg_views WHERE schemaname = 'public'
  ORDER BY 1`;
const schemaOf = async (url: string): Promise<string[]> =>
  (await queryDatabase<{ fact: string }>(url, SCHEMA)).map((row) => row.fact);

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

  it('has the schema of a new one', async () => {
    const fresh = await createTestDatabase();
    expect(await schemaOf(database.url)).toEqual(await schemaOf(fresh.url));
    await fresh.drop();
  });

  it('lets in everybody whom it let in: administrator, member, keys of the API, machines of each kind', async () => {
    const status = async (api: Api, path: string): Promise<number> => (await api.get(path)).status;
    expect(await status(await logIn(app.url, 'admin@example.com', secrets.adminPassword), '/orgs')).toBe(200);
    expect(await status(await logIn(app.url, 'member@acme.example', secrets.memberPassword), '/org/acme')).toBe(200);
    expect(await status(app.root.as(secrets.rootKey), '/orgs')).toBe(200);
    expect(await status(app.root.as(secrets.apiKey), '/org/acme/sites')).toBe(200);
    expect((await deviceToken(app.url, secrets.device.api_key)).status).toBe(200);
    expect((await deviceToken(app.url, secrets.pending.api_key)).status).toBe(200);
    expect((await newtToken(app.url, secrets.newt.newtId, secrets.newt.secret)).status).toBe(200);
  });

  it('knows its devices again, and its keys make new ones', async () => {
    const { hardware_id, device_id } = secrets.device;
    const again = await provision(app.url, { provision_key: secrets.provisioningKey, hardware_id });
    expect(again).toMatchObject({ status: 200, body: { device_id, api_key: '' } });
    const fresh = await provision(app.url, { provision_key: secrets.provisioningKey });
    expect(fresh).toMatchObject({ status: 201, body: { credential_type: 'api_key' } });
  });

  it('still has what it had', async () => {
    const { sites } = await app.root.expect<{ sites: { name: string; status: string }[] }>(
      'GET',
      '/org/acme/sites?pageSize=100',
    );
    expect(sites.map((site) => site.name)).toEqual(
      expect.arrayContaining(['Press 14', 'Suspended', 'Pending', 'Meter', 'Gate', 'Branch', 'Only one']),
    );
    const { resources } = await app.root.expect<{ resources: { name: string; targets: unknown[] }[] }>(
      'GET',
      '/org/acme/resources',
    );
    expect(resources.map((one) => one.name).sort()).toEqual(['Below', 'Portal', 'Raw', 'Shop']);
    expect(resources.find((one) => one.name === 'Portal')!.targets).toHaveLength(2);
    // What waits for approval is not shown before.
    await app.root.expect('POST', '/org/acme/approvals', { siteIds: [secrets.pending.siteId], decision: 'approve' });
    const { resources: after } = await app.root.expect<{ resources: { name: string; enabled: boolean }[] }>(
      'GET',
      '/org/acme/resources',
    );
    expect(after.find((one) => one.name === 'Staged')).toMatchObject({ enabled: true });
    const { invitations } = await app.root.expect<{ invitations: { email: string }[] }>('GET', '/org/acme/invitations');
    expect(invitations.map((one) => one.email)).toContain('invited@acme.example');
  });

  it('shows an organization under a used id nothing of its predecessor, which root reads', async () => {
    const history = async (prefix: string): Promise<string> =>
      (
        await Promise.all(
          ['claims', 'audit', 'events'].map(async (what) => (await app.root.get(`${prefix}/${what}`)).text),
        )
      ).join('\n');
    const second = await history('/org/again');
    expect(second.match(/(First|Second) life hardware/g)).toEqual([
      'Second life hardware',
      'Second life hardware',
      'Second life hardware',
    ]);
    expect(second).not.toContain('First life');
    expect((await history('')).match(/(First|Second) life hardware/g)).toEqual([
      'First life hardware',
      'First life hardware',
      'First life hardware',
    ]);
    // The one that lived on has all of its own; what migrations say of themselves may come from before it, as the fixture's times are moved.
    expect(
      await queryDatabase(
        database.url,
        `SELECT FROM audit WHERE org_id = 'acme' AND org_uid IS NULL AND actor_type <> 'system'`,
      ),
    ).toEqual([]);
  });

  it('takes nobody but administrators for the owner of their mailbox, and leaves everybody where they were', async () => {
    const people = await queryDatabase<{ id: string; email: string; proven: boolean }>(
      database.url,
      'SELECT user_id AS id, email, email_verified AS proven FROM "user" ORDER BY email',
    );
    expect(people.map(({ email, proven }) => [email, proven])).toEqual([
      ['admin@example.com', true],
      ['member@acme.example', false],
    ]);
    const anybody = new Api(app.url);
    const { roles } = await app.root.expect<{ roles: { roleId: number; name: string }[] }>('GET', '/org/again/roles');
    const body = {
      email: 'member@acme.example',
      roleId: roles.find(({ name }) => name === 'Member')!.roleId,
      validHours: 1,
    };
    const { inviteLink } = await app.root.expect<{ inviteLink: string }>('POST', '/org/again/create-invite', body);
    const token = new URL(inviteLink).searchParams.get('token');
    expect((await anybody.post('/invite/accept', { token })).status).toBe(409);
    await app.root.expect('POST', `/user/${people[1]!.id}/verify`);
    expect((await anybody.post('/invite/accept', { token })).status).toBe(200);
    expect((await (await logIn(app.url, 'member@acme.example', secrets.memberPassword)).get('/org/acme')).status).toBe(
      200,
    );
    // Nobody knows whether the token of an invitation of then was mailed.
    const { userId } = await anybody
      .post<{ userId: string }>('/invite/accept', { token: secrets.openInvitation, password: 'battery staple' })
      .then((reply) => reply.body.data);
    expect(await app.root.expect('GET', `/user/${userId}`)).toMatchObject({ emailVerified: false });
  });

  it('lets the proof of a domain win over a claim above it; the name below stays, and its organization is told', async () => {
    const { domains } = await app.root.expect<{
      domains: { domainId: string; baseDomain: string; verified: boolean; failed: boolean }[];
    }>('GET', '/org/acme/domains');
    const lost = domains.filter((domain) => !domain.verified);
    expect(lost).toMatchObject([
      {
        baseDomain: 'b.example',
        failed: true,
        errorMessage: expect.stringContaining('Another organization has proven'),
      },
    ]);
    const { resources } = await app.root.expect<{ resources: { name: string; fullDomain: string }[] }>(
      'GET',
      '/org/acme/resources',
    );
    expect(resources.find((one) => one.name === 'Below')!.fullDomain).toBe('x.a.b.example');
    const told = (table: string, what: string) =>
      queryDatabase(
        database.url,
        `SELECT org_id, ${what} AS id FROM ${table} WHERE ${table === 'event' ? 'type' : 'action'} LIKE 'domain.unverif%'`,
      );
    for (const rows of [await told('event', `data ->> 'domainId'`), await told('audit', 'target_id')])
      expect(rows).toEqual([{ org_id: 'acme', id: lost[0]!.domainId }]);
    const { domains: theirs } = await app.root.expect<{ domains: { baseDomain: string; verified: boolean }[] }>(
      'GET',
      '/org/globex/domains',
    );
    expect(theirs.find((domain) => domain.baseDomain === 'a.b.example')).toMatchObject({ verified: true });
  });

  it('keeps the target that a site put behind a resource of others, and tells it once', async () => {
    const foreign = await queryDatabase(
      database.url,
      `SELECT e.org_id, t.port, r.name FROM event e JOIN target t ON t.target_id = (e.data ->> 'targetId')::bigint AND t.site_id = e.site_id
      JOIN resource r ON r.resource_id = (e.data ->> 'resourceId')::bigint AND r.resource_id = t.resource_id WHERE e.type = 'resource.foreign_target'`,
    );
    expect(foreign).toEqual([{ org_id: 'acme', port: 82, name: 'Portal' }]);
  });

  it('tells of changes of the resources that it had, once they are in service', async () => {
    const notices = await ResourceNotices.listen(database.url);
    const had = await queryDatabase<{ id: number; staged: boolean }>(
      database.url,
      `SELECT resource_id AS id, staged_by IS NOT NULL AS staged FROM resource WHERE org_id = 'acme' ORDER BY resource_id`,
    );
    for (const { id, staged } of had) {
      await queryDatabase(
        database.url,
        `INSERT INTO resource_rule (org_id, resource_id, action, match, value, priority) VALUES ('acme', $1, 'DROP', 'IP', '192.0.2.1', 1)`,
        [id],
      );
      expect(await notices.take()).toEqual(staged ? [] : [{ orgId: 'acme', kind: 'public', ids: [id] }]);
    }
    expect(had.filter(({ staged }) => !staged).length).toBeGreaterThanOrEqual(4);
    await notices.close();
  });

  it('keeps the claim windows of its sites, and what their agents said', async () => {
    const old = await restoreFixture(version);
    try {
      const sql = <Row extends object>(text: string) => queryDatabase<Row>(old.url, text);
      await sql(
        `UPDATE site SET agent_version = '1.2.3', agent_facts = '{"os":"linux"}', applied_version = 3, applied_error = 'disk full', reissues = 2 WHERE name = 'Press 14'`,
      );
      // One whose device is known by its nonce alone.
      await sql(`UPDATE site SET nonce_hash = sha256('nonce'), nonce_opened_at = now() WHERE name = 'Branch'`);
      const windows = await sql<{ known: boolean }>(
        `SELECT site_id, nonce_hash, nonce_opened_at AS opened_at, nonce_closed_at AS closed_at, reissues, authenticated_at, hardware_id IS NULL AND nonce_hash IS NOT NULL AS by_nonce
         FROM site ORDER BY site_id`,
      );
      const reports = await sql(
        `SELECT site_id, org_id, agent_version, agent_facts, applied_version, applied_error FROM site WHERE name = 'Press 14'`,
      );
      await migrate(old.url, MIGRATIONS);
      expect(
        await sql(
          'SELECT site_id, nonce_hash, opened_at, closed_at, reissues, authenticated_at, by_nonce FROM claim_window ORDER BY site_id',
        ),
      ).toEqual(windows);
      expect(windows).toContainEqual(expect.objectContaining({ reissues: 2, by_nonce: false }));
      expect(windows).toContainEqual(expect.objectContaining({ by_nonce: true }));
      expect(
        await sql(
          'SELECT site_id, org_id, agent_version, agent_facts, applied_version, applied_error FROM agent_report',
        ),
      ).toEqual(reports);
    } finally {
      await old.drop();
    }
  });

  it('knows which newts have connected since their claim, keeps what their documents made, and calls no target unhealthy', async () => {
    const old = await restoreFixture(version);
    try {
      const sql = <Row extends object>(text: string) => queryDatabase<Row>(old.url, text);
      await sql(`UPDATE site SET authenticated_at = NULL WHERE name = 'Only one'`);
      await sql(`UPDATE target SET hc_enabled = true, hc_health = 'unhealthy'`);
      await sql(`UPDATE resource SET health = 'unhealthy' WHERE name = 'Portal'`);
      await migrate(old.url, MIGRATIONS);
      const connected = await sql<{ name: string; connected: boolean }>(
        `SELECT name, connected_at IS NOT NULL AS connected FROM site JOIN claim_window USING (site_id) WHERE name IN ('Branch', 'Only one') ORDER BY name`,
      );
      expect(connected).toEqual([
        { name: 'Branch', connected: true },
        { name: 'Only one', connected: false },
      ]);
      expect(await sql(`SELECT DISTINCT claim_documents AS noted FROM blueprint_source WHERE kind = 'newt'`)).toEqual([
        { noted: [] },
      ]);
      expect(await sql('SELECT DISTINCT hc_health AS one FROM target')).toEqual([{ one: 'unknown' }]);
      expect(await sql('SELECT DISTINCT health AS one FROM resource')).toEqual([{ one: 'unknown' }]);
    } finally {
      await old.drop();
    }
  });

  it('counts as set up: no start of it prints a link for that', async () => {
    expect(
      await queryDatabase(
        database.url,
        `SELECT name, value = (SELECT value FROM setting WHERE name = 'first_run_at') AS "asOfThen" FROM setting WHERE name = 'set_up_at'`,
      ),
    ).toEqual([{ name: 'set_up_at', asOfThen: true }]);
    expect(await app.app.get(SetupLinks).create()).toBeNull();
    expect(await queryDatabase(database.url, 'SELECT FROM setup_link')).toEqual([]);
  });

  it('gives its sites the settings that clients set by now, without a new version of any', async () => {
    const old = await restoreFixture(version);
    try {
      const versions = () =>
        queryDatabase(old.url, 'SELECT site_id, version, docker_socket_enabled FROM site ORDER BY site_id');
      const before = await versions();
      await migrate(old.url, MIGRATIONS);
      expect(await versions()).toEqual(before);
      expect(
        await queryDatabase(
          old.url,
          'SELECT DISTINCT auto_update_enabled, auto_update_override_org, remote_subnets FROM site',
        ),
      ).toEqual([{ auto_update_enabled: false, auto_update_override_org: false, remote_subnets: null }]);
    } finally {
      await old.drop();
    }
  });

  it('still knows each device of then by its hardware id, in its own organization only', async () => {
    const known = await queryDatabase<{ id: number; found: number[]; elsewhere: number[] }>(
      database.url,
      `SELECT site_id::int AS id, ARRAY(SELECT k.site_id::int FROM known_sites(s.org_id, ARRAY[s.hardware_id], '{}') k) AS found,
         ARRAY(SELECT k.site_id::int FROM known_sites('another', ARRAY[s.hardware_id], '{}') k) AS elsewhere
       FROM site s WHERE hardware_id IS NOT NULL`,
    );
    expect(known.length).toBeGreaterThan(0);
    for (const { id, found, elsewhere } of known) expect({ found, elsewhere }).toEqual({ found: [id], elsewhere: [] });
  });
});

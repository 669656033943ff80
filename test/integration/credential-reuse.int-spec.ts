import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, Hooks, randomLower, sha256 } from '#platform';
import { CredentialSuccession, SiteAdmission, SiteCredentialsService } from '../../src/access/index.js';
import { CredentialSuccessionRepository } from '../../src/access/site-credentials/credential-succession.repository.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let servers: StartedApp[];

beforeAll(async () => {
  database = await createTestDatabase();
  servers = [await startApp(database.url), await startApp(database.url)];
  await servers[0]!.root.expect('PUT', '/org', { orgId: 'acme', name: 'Acme' });
});
afterAll(async () => {
  await Promise.all((servers ?? []).map((server) => server.close()));
  await database?.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const service = (n: number) => servers[n]!.app.get(SiteCredentialsService);

/** A device API key. */
interface Credential {
  id: number;
  siteId: number;
  use(server: number): ReturnType<SiteCredentialsService['authenticateDeviceKey']>;
}
type Stored = Parameters<CredentialSuccession['addNext']>[2];

async function made(siteId: number, store: (key: Stored) => Promise<number>): Promise<Credential> {
  const key = `sk_live_${randomBytes(32).toString('base64url')}`;
  const id = await store({ kind: 'api_key', secretHash: sha256(key) });
  return { id, siteId, use: (n) => service(n).authenticateDeviceKey(key) };
}

/** A site with one credential, which was used. */
async function enrol(templateId: number | null): Promise<Credential> {
  const [site] = await sql<{ id: string }>(
    `INSERT INTO site (org_id, nice_id, name, status, hardware_id, template_id) VALUES ('acme', $1, 's', 'approved', $1, $2) RETURNING site_id AS id`,
    [randomLower(12), templateId],
  );
  const siteId = Number(site!.id);
  const credential = await made(siteId, (stored) =>
    servers[0]!.db.tx(async (tx) => (await service(0).insertMany(tx, [{ ...stored, siteId, orgId: 'acme' }]))[0]!),
  );
  expect(await credential.use(0)).toMatchObject({ siteId });
  return credential;
}

const next = ({ siteId, id: credentialId }: Credential): Promise<Credential> =>
  made(siteId, (stored) =>
    servers[0]!.db.tx((tx) =>
      servers[0]!.app.get(CredentialSuccession).addNext(tx, { siteId, orgId: 'acme', credentialId }, stored),
    ),
  );

/** Moves the end of a credential into the past, as time would, and tells the servers. */
async function move({ id, siteId }: Credential, set: string): Promise<void> {
  await sql(`UPDATE site_credential SET ${set} WHERE credential_id = $1`, [id]);
  await sql(`SELECT pg_notify('site_changed', $1::text)`, [siteId]);
}
const isSuperseded = (credential: Credential) =>
  until(async () =>
    (await Promise.all([credential.use(0), credential.use(1)])).every(
      (found) => found && 'unusable' in found && found.unusable === 'superseded',
    ),
  );
const eventsOf = async (siteId: number, type: string) =>
  (
    await sql<{ data: Record<string, unknown> }>('SELECT data FROM event WHERE site_id = $1 AND type = $2 ORDER BY 1', [
      siteId,
      type,
    ])
  ).map(({ data }) => data);

/** Longer than five minutes. */
const OVERLAP_OVER = `ends_at = now() - interval '10 minutes'`;

describe('a superseded credential that is used', () => {
  const admit = async (credential: Credential, address: string, server = 0) =>
    servers[server]!.app.get(SiteAdmission)
      .admit(await credential.use(server), { address, proven: { hash: randomBytes(32) } })
      .then(
        () => 'let in',
        (error: AppError) => `${error.code} ${JSON.stringify(error.details.data ?? null)}`,
      );

  async function superseded(templateId: number | null = null, ended = OVERLAP_OVER, address = '198.51.100.7') {
    const first = await enrol(templateId);
    const second = await next(first);
    expect(await admit(second, address)).toBe('let in');
    await move(first, ended);
    await isSuperseded(first);
    await until(
      async () =>
        (
          await sql(`SELECT 1 FROM site_credential WHERE credential_id = $1 AND last_used_address = $2`, [
            second.id,
            address,
          ])
        ).length === 1,
    );
    return { first, second };
  }

  async function template(onReuse: 'alert' | 'suspend'): Promise<number> {
    const made = await servers[0]!.root.expect<{ templateId: number }>('PUT', '/org/acme/provisioning-template', {
      name: randomLower(10),
      onReuse,
    });
    return made.templateId;
  }

  it('is told of with both addresses, once an hour for each, and told nothing', async () => {
    const { first, second } = await superseded();
    for (const server of [0, 1, 0]) expect(await admit(first, '203.0.113.9', server)).toBe('credential_unusable null');
    expect(await eventsOf(first.siteId, 'site.credential_reuse')).toEqual([
      {
        credentialId: first.id,
        kind: 'api_key',
        address: '203.0.113.9',
        currentAddress: '198.51.100.7',
        onReuse: 'alert',
      },
    ]);
    expect(await admit(first, '203.0.113.10')).toBe('credential_unusable null');
    expect(await eventsOf(first.siteId, 'site.credential_reuse')).toHaveLength(2);
    expect(await admit(second, '198.51.100.7')).toBe('let in');
  });

  it('is told of from twenty addresses an hour, not from more', async () => {
    const { first } = await superseded();
    for (let i = 1; i <= 25; i++) await admit(first, `203.0.113.${i}`);
    expect(await eventsOf(first.siteId, 'site.credential_reuse')).toHaveLength(20);
  });

  it.each([
    ['suspend', 'pending', 1],
    ['alert', 'approved', 0],
  ] as const)('under a template that says %s leaves the site %s', async (onReuse, status, audited) => {
    const { first } = await superseded(await template(onReuse));
    await Promise.all([admit(first, '203.0.113.9', 0), admit(first, '203.0.113.9', 1)]);
    const [site] = await sql('SELECT status FROM site WHERE site_id = $1', [first.siteId]);
    expect(site).toEqual({ status });
    expect(
      await sql(`SELECT actor_type FROM audit WHERE action = 'site.suspend' AND target_id = $1`, [
        String(first.siteId),
      ]),
    ).toHaveLength(audited);
    expect(await eventsOf(first.siteId, 'site.suspended')).toHaveLength(audited);
    expect(await eventsOf(first.siteId, 'site.credential_reuse')).toHaveLength(1);
  });

  const statusOf = async (siteId: number) =>
    (await sql<{ status: string }>('SELECT status FROM site WHERE site_id = $1', [siteId]))[0]!.status;
  const told = async (siteId: number) =>
    (await eventsOf(siteId, 'site.credential_reuse')).map(({ onReuse }) => onReuse as string);

  it.each([
    ['198.51.100.7', '198.51.100.7', '198.51.100.8'],
    ['2001:db8:0:7::1', '2001:db8:0:7::2', '2001:db8:0:8::1'],
  ])('from where the current one is used (%s) suspends nothing', async (current, same, elsewhere) => {
    const { first } = await superseded(await template('suspend'), OVERLAP_OVER, current);
    expect(await admit(first, same)).toBe('credential_unusable null');
    expect([await told(first.siteId), await statusOf(first.siteId)]).toEqual([['alert'], 'approved']);
    expect(await admit(first, elsewhere)).toBe('credential_unusable null');
    expect([await told(first.siteId), await statusOf(first.siteId)]).toEqual([['alert', 'suspend'], 'pending']);
  });

  it('from where the current one was used before it expired suspends nothing', async () => {
    const { first, second } = await superseded(await template('suspend'));
    await move(
      second,
      `expires_at = now() - interval '1 hour', renew_until = now() + interval '1 day', last_used_at = now() - interval '2 hours'`,
    );
    expect(await admit(first, '198.51.100.7')).toBe('credential_unusable null');
    expect([await told(first.siteId), await statusOf(first.siteId)]).toEqual([['alert'], 'approved']);
    expect(await admit(first, '203.0.113.9')).toBe('credential_unusable null');
    expect([await told(first.siteId), await statusOf(first.siteId)]).toEqual([['alert', 'suspend'], 'pending']);
  });

  it('within five minutes of its end suspends nothing, and the same use afterwards does', async () => {
    const { first } = await superseded(await template('suspend'), `ends_at = now() - interval '1 second'`);
    for (const server of [0, 1]) expect(await admit(first, '203.0.113.9', server)).toBe('credential_unusable null');
    expect([await told(first.siteId), await statusOf(first.siteId)]).toEqual([['alert'], 'approved']);
    // As it is seven minutes later, at a server that was started meanwhile.
    await sql(`UPDATE credential_reuse SET told_at = told_at - interval '7 minutes' WHERE site_id = $1`, [
      first.siteId,
    ]);
    await move(first, `ends_at = ends_at - interval '7 minutes'`);
    const later = await startApp(database.url);
    try {
      const used = await later.app.get(SiteCredentialsService).authenticateBearer({
        siteId: first.siteId,
        credentialId: first.id,
      });
      const presenter = { address: '203.0.113.9', proven: { hash: randomBytes(32) } };
      for (let i = 0; i < 2; i++)
        await expect(later.app.get(SiteAdmission).admit(used, presenter)).rejects.toMatchObject({
          code: 'credential_unusable',
        });
    } finally {
      await later.close();
    }
    expect([await told(first.siteId), await statusOf(first.siteId)]).toEqual([['alert', 'suspend'], 'pending']);
  });

  it('changes nothing when the suspension fails: it is told of at the next use', async () => {
    const { first } = await superseded(await template('suspend'));
    const hooks = servers[1]!.app.get(Hooks);
    let fail = true;
    hooks.credentialReused.register(async () => {
      if (fail) throw new Error('no');
    });
    await expect(
      servers[1]!.app
        .get(SiteAdmission)
        .admit(await first.use(1), { address: '203.0.113.9', proven: { hash: randomBytes(32) } }),
    ).rejects.toThrow('no');
    expect(await eventsOf(first.siteId, 'site.credential_reuse')).toEqual([]);
    expect(await sql('SELECT status FROM site WHERE site_id = $1', [first.siteId])).toEqual([{ status: 'approved' }]);
    fail = false;
    expect(await admit(first, '203.0.113.9', 1)).toBe('credential_unusable null');
    expect(await sql('SELECT status FROM site WHERE site_id = $1', [first.siteId])).toEqual([{ status: 'pending' }]);
  });
});

describe('a use of a credential', () => {
  it('is written once an hour, and when it comes from elsewhere', async () => {
    const { id, siteId } = await enrol(null);
    const repository = servers[0]!.app.get(CredentialSuccessionRepository);
    /** Whether it was written. */
    const use = async (address: string) => {
      const before = await xmin();
      await repository.used(servers[0]!.db.manager, [{ credentialId: id, address }]);
      return (await xmin()) !== before;
    };
    const xmin = async () =>
      (await sql<{ xmin: string }>('SELECT xmin::text FROM site_credential WHERE credential_id = $1', [id]))[0]!.xmin;
    const passes = (time: string) =>
      sql(`UPDATE site_credential SET last_used_at = last_used_at - $2::interval WHERE site_id = $1`, [siteId, time]);
    expect(await use('198.51.100.7')).toBe(true);
    await passes('59 minutes');
    expect(await use('198.51.100.7')).toBe(false);
    expect(await use('203.0.113.9')).toBe(true);
    expect(await use('198.51.100.7')).toBe(true);
    await passes('61 minutes');
    expect(await use('198.51.100.7')).toBe(true);
  });
});

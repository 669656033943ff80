import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AppError, orgUidOf } from '#platform';
import { Authenticator } from '../../src/access/authenticator.js';
import { ApiKeysService } from '../../src/access/index.js';
import { CertificateAuthority } from '../../src/provisioning/authority/certificate-authority.js';
import { parseCsr } from '../../src/provisioning/authority/csr.js';
import { ClaimRefused, type ClaimRequest } from '../../src/provisioning/claims/claim.js';
import { Refusals } from '../../src/provisioning/claims/refusals.js';
import { MIGRATIONS } from '../../src/schema.js';
import { GroupsService } from '../../src/sites/groups/groups.service.js';
import { Api, newHardwareId, provision, type TestKey } from '../support/api.js';
import { createCsr } from '../support/certificate.js';
import { createEmptyDatabase, queryDatabase } from '../support/database.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

const newId = () => `twice-${randomBytes(4).toString('hex')}`;
const uidOf = (orgId: string) => orgUidOf(app.db.manager, operator, orgId);
/** Deletes an organization and makes another one under its id. @returns the identity of the one that is gone. */
async function again(orgId: string): Promise<string> {
  const former = await uidOf(orgId);
  await app.root.expect('DELETE', `/org/${orgId}`);
  await app.makeOrg(orgId);
  expect(await uidOf(orgId)).not.toBe(former);
  return former;
}

interface History {
  claims: { outcome: string; hardwareId: string; orgId: string }[];
  audit: { action: string; orgId: string | null; details: { orgUid?: string } }[];
  events: { type: string; siteId: number; cursor: string }[];
}
async function history(api: Api, prefix: string, filter = ''): Promise<History> {
  const [{ claims }, { audit }, { events }] = await Promise.all([
    api.expect<History>('GET', `${prefix}/claims?pageSize=1000${filter}`),
    api.expect<History>('GET', `${prefix}/audit?pageSize=1000${filter}`),
    api.expect<History>('GET', `${prefix}/events?limit=1000${filter}`),
  ]);
  return { claims, audit, events };
}

/** What the successor has of its own: the key that reads. */
const OF_KEYS = ['api_key.created', 'api_key.updated'];

/** An organization with a history: a site, a refused claim, events. */
async function lived(orgId: string): Promise<TestKey> {
  await app.makeOrg(orgId);
  const key = await app.root.expect<TestKey>('PUT', `/org/${orgId}/site-provisioning-key`, {
    name: 'first',
    maxBatchSize: 1,
  });
  expect((await provision(app.root.url, { provision_key: key.siteProvisioningKey })).status).toBe(201);
  expect((await provision(app.root.url, { provision_key: key.siteProvisioningKey })).status).toBe(403);
  // The feed holds back what is newer than the oldest transaction of the cluster, and other specs have transactions open.
  await until(async () => {
    const { claims, events } = await history(app.root, `/org/${orgId}`);
    return claims.length === 2 && events.length === 4;
  });
  return key;
}

describe('an organization made again under a used id', () => {
  it('reads nothing of its predecessor: claims, audit, events, its stream, its keys', async () => {
    const orgId = newId();
    const key = await lived(orgId);
    const before = await history(app.root, `/org/${orgId}`);
    expect(before.events.map((e) => e.type)).toEqual([
      'key.created',
      'device.provisioned',
      'key.exhausted',
      'key.refused',
    ]);
    await again(orgId);
    const owner = await app.orgKey(orgId, 'listClaims', 'listAudit', 'listEvents', 'listSites', 'getOrg');
    for (const api of [owner, app.root]) {
      const after = await history(api, `/org/${orgId}`);
      expect(after.claims).toEqual([]);
      expect(after.events.filter(({ type }) => !OF_KEYS.includes(type))).toEqual([]);
      expect(new Set(after.audit.map((a) => a.action))).toEqual(
        new Set(['org.create', 'api_key.create', 'api_key.set_actions']),
      );
      // The predecessor's cursor says nothing either.
      const { events } = await api.expect<History>('GET', `/org/${orgId}/events?after=${before.events[0]!.cursor}`);
      expect(events.filter(({ type }) => !OF_KEYS.includes(type))).toEqual([]);
    }
    expect((await owner.get(`/org/${orgId}/claims?keyId=${key.siteProvisioningKeyId}`)).status).toBe(404);
    const stream = await fetch(`${app.root.url}/api/v1/org/${orgId}/events/stream`, {
      headers: { authorization: `Bearer ${owner.authorization}` },
    });
    const reader = stream.body!.getReader();
    let received = '';
    const reading = (async () => {
      for (let part = await reader.read(); !part.done; part = await reader.read())
        received += Buffer.from(part.value).toString();
    })();
    const { siteProvisioningKey } = await app.root.expect<TestKey>('PUT', `/org/${orgId}/site-provisioning-key`, {
      name: 'second',
      maxBatchSize: null,
    });
    await provision(app.root.url, { provision_key: siteProvisioningKey });
    await until(() => received.includes('device.provisioned') || undefined);
    await reader.cancel();
    await reading;
    expect(received).not.toContain('key.exhausted');
    expect(received.match(/^event: /gm)).toHaveLength(1);
  });

  it('is not the one that root reads when it reads the former one, by the identity that org.delete names', async () => {
    const orgId = newId();
    await lived(orgId);
    const former = await again(orgId);
    const installation = await app.root.expect<History>('GET', `/audit?action=org.delete&targetId=${orgId}`);
    expect(installation.audit.map((a) => [a.orgId, a.details.orgUid])).toEqual([[null, former]]);
    const gone = await history(app.root, '', `&orgUid=${former}`);
    expect(gone.claims.map((c) => [c.outcome, c.orgId])).toEqual([
      ['refused', orgId],
      ['created', orgId],
    ]);
    expect(gone.events.map((e) => e.type)).toEqual([
      'key.created',
      'device.provisioned',
      'key.exhausted',
      'key.refused',
    ]);
    expect(gone.audit.map((a) => a.action)).toEqual([
      'site.claim',
      'site.claim',
      'site_provisioning_key.create',
      'org.create',
    ]);
    // What belongs to no organization holds none of it, and nobody but root reads either.
    expect(
      (await app.root.expect<History>('GET', '/claims?pageSize=1000')).claims.filter((c) => c.orgId === orgId),
    ).toEqual([]);
    const owner = await app.orgKey(orgId, 'listClaims', 'listAudit', 'listEvents');
    for (const path of ['/claims', '/audit', '/events'])
      expect((await owner.get(`${path}?orgUid=${former}`)).status).toBe(403);
  });

  it('answers a repeated Idempotency-Key of a root key with something of its own', async () => {
    const orgId = newId();
    await app.makeOrg(orgId);
    const repeated = app.root.as(app.root.authorization, { 'idempotency-key': `key-of-${orgId}` });
    const make = () => repeated.put<TestKey>(`/org/${orgId}/site-provisioning-key`, { name: 'test', maxBatchSize: 1 });
    const first = await make();
    expect((await make()).body.data.siteProvisioningKey).toBe(first.body.data.siteProvisioningKey);
    await again(orgId);
    const anew = await make();
    expect(anew.headers.get('idempotency-replayed')).toBeNull();
    expect(anew.body.data.siteProvisioningKeyId).not.toBe(first.body.data.siteProvisioningKeyId);
  });

  it('signs certificates with an authority of its own', async () => {
    const orgId = newId();
    const authority = app.get(CertificateAuthority);
    await app.makeOrg(orgId);
    const csr = await parseCsr(await createCsr());
    const end = new Date(Date.now() + 86_400_000);
    const former = await authority.issue(await uidOf(orgId), 'device', csr, end);
    await again(orgId);
    const present = await authority.issue(await uidOf(orgId), 'device', csr, end);
    expect(present.chain).not.toBe(former.chain);
  });
});

describe('what was under way when the id was used again', () => {
  it('refuses a change that a key of the former one had begun, and keeps nothing of it', async () => {
    const orgId = newId();
    await app.makeOrg(orgId);
    const key = await app.get(ApiKeysService).create(operator, orgId, { name: 'former' });
    await app.get(ApiKeysService).setActions(operator, orgId, key.apiKeyId, ['createGroup']);
    const admitted = await app
      .get(Authenticator)
      .authenticate({ ip: '192.0.2.1' } as never, { kind: 'apiKey', id: key.apiKeyId, secret: key.apiKey });
    await again(orgId);
    const groups = app.get(GroupsService);
    await expect(groups.create(admitted, orgId, { name: 'stray' } as never)).rejects.toThrow(
      /Not the organization that was meant/,
    );
    expect(await app.sql('SELECT FROM site_group WHERE org_id = $1', [orgId])).toEqual([]);
    expect(await app.sql(`SELECT FROM audit WHERE org_id = $1 AND action = 'group.create'`, [orgId])).toEqual([]);
  });

  it('answers such a change 404', async () => {
    const orgId = newId();
    await app.makeOrg(orgId);
    const caller = await app.orgKey(orgId, 'createGroup');
    // Between the guard and the transaction the organization's row becomes another's.
    const groups = app.get(GroupsService);
    const create = groups.create.bind(groups);
    const between = vi.spyOn(groups, 'create').mockImplementationOnce(async (...args) => {
      await app.sql('UPDATE org SET org_uid = gen_random_uuid() WHERE org_id = $1', [orgId]);
      return create(...args);
    });
    const reply = await caller.put(`/org/${orgId}/group`, { name: 'stray' });
    expect([reply.status, reply.body.message]).toEqual([404, 'Organization not found']);
    expect(between).toHaveBeenCalledOnce();
    expect(await app.sql('SELECT name FROM site_group WHERE org_id = $1', [orgId])).toEqual([]);
  });

  it('records a refused claim with the one that it was refused for', async () => {
    const orgId = newId();
    await app.makeOrg(orgId);
    const orgUid = await uidOf(orgId);
    const hardwareId = newHardwareId();
    const request = {
      key: 'spk_former.x',
      door: 'device',
      hardwareId,
      address: '192.0.2.7',
      name: null,
      nonceHash: null,
      csr: null,
      sentHardwareId: null,
      ephemeral: false,
      bundleKey: null,
      trust: null,
    } satisfies ClaimRequest;
    const refused = app
      .get(Refusals)
      .refuse(
        new ClaimRefused('disabled', { orgId, orgUid, keyId: 'former' }),
        request,
        0,
        new AppError('permission_denied', 'no'),
      );
    await expect(refused).rejects.toThrow('no');
    await again(orgId);
    await until(
      async () => (await app.sql('SELECT FROM audit WHERE actor_id = $1', [hardwareId])).length === 1 || undefined,
    );
    const { claims, audit } = await history(app.root, `/org/${orgId}`);
    expect(claims).toEqual([]);
    expect(audit.map((a) => a.action)).toEqual(['org.create']);
    expect((await history(app.root, '', `&orgUid=${orgUid}`)).claims).toMatchObject([{ hardwareId }]);
  });
});

describe('the migration', () => {
  it('gives rows the identity of their organization, and none to rows that are older than it; root reads those', async () => {
    const database = await createEmptyDatabase();
    const migrate = async (migrations: readonly (new () => object)[]) => {
      const source = await new DataSource({
        type: 'postgres',
        url: database.url,
        migrations: migrations as never,
      }).initialize();
      try {
        await source.runMigrations({ transaction: 'each' });
      } finally {
        await source.destroy();
      }
    };
    const sql = <Row extends object>(text: string) => queryDatabase<Row>(database.url, text);
    try {
      await migrate(MIGRATIONS.slice(0, 3));
      await sql(`
        INSERT INTO org (org_id, name, subnet, utility_subnet, created_at) VALUES ('used', 'x', '10.0.0.0/16', '10.1.0.0/16', now() - interval '1 day');
        INSERT INTO claim (org_id, door, outcome, created_at) VALUES
          ('used', 'device', 'created', now() - interval '2 days'), ('used', 'device', 'refused', now() - interval '1 hour'), ('gone', 'device', 'created', now()), (NULL, 'newt', 'refused', now());
        INSERT INTO audit (org_id, actor_type, action, created_at) VALUES
          ('used', 'user', 'old', now() - interval '2 days'), ('used', 'user', 'new', (SELECT created_at FROM org)), ('gone', 'user', 'gone', now()), (NULL, 'user', 'none', now());
        INSERT INTO event (org_id, type, created_at) VALUES ('used', 'site.online', now() - interval '2 days'), ('used', 'site.offline', now()), ('gone', 'site.online', now());
        INSERT INTO idempotency_key (principal, method, path, key, body_hash, created_at) VALUES
          ('root_key:a', 'PUT', '/api/v1/org/used/role', 'old', '', now() - interval '2 days'), ('root_key:a', 'PUT', '/v1/org/used/role?x=1', 'new', '', now()),
          ('root_key:a', 'PUT', '/v1/org/gone/role', 'gone', '', now()), ('root_key:a', 'PUT', '/v1/resource/7/target', 'by id', '', now()), ('root_key:a', 'PUT', '/v1/org', 'org', '', now())`);
      await migrate(MIGRATIONS);
      const known = (table: string, what: string) =>
        sql<{ what: string; known: boolean }>(
          `SELECT ${what} AS what, r.org_uid IS NOT DISTINCT FROM o.org_uid AND r.org_uid IS NOT NULL AS known FROM ${table} r CROSS JOIN org o ORDER BY 1`,
        );
      expect(await known('claim', 'claim_id')).toEqual([1, 2, 3, 4].map((what) => ({ what, known: what === 2 })));
      // The roles that a later migration makes are audited, too.
      const acts = (await known('audit', 'action')).filter(({ what }) => what !== 'role.create');
      expect(acts).toEqual(['gone', 'new', 'none', 'old'].map((what) => ({ what, known: what === 'new' })));
      expect(await known('event', 'event_id')).toEqual([1, 2, 3].map((what) => ({ what, known: what === 2 })));
      expect(await known('idempotency_key', 'key')).toEqual([
        { what: 'by id', known: false },
        { what: 'new', known: true },
        { what: 'org', known: false },
      ]);
      // A server of 0.1.0 that still runs writes without it.
      await sql(`INSERT INTO audit (org_id, actor_type, action) VALUES ('used', 'user', 'rolling')`);
      expect((await known('audit', 'action')).find((row) => row.what === 'rolling')).toEqual({
        what: 'rolling',
        known: true,
      });
    } finally {
      await database.drop();
    }
  });
});

describe('histories of a large installation', () => {
  it("are read over indexes, root's too", async () => {
    const uid = await (async () => {
      const orgId = newId();
      await app.makeOrg(orgId);
      return uidOf(orgId);
    })();
    await app.sql(
      `INSERT INTO audit (org_id, org_uid, actor_type, action) SELECT NULL, CASE i % 100 WHEN 0 THEN $1::uuid WHEN 1 THEN NULL ELSE gen_random_uuid() END, 'system', 'x' FROM generate_series(1, 60000) i`,
      [uid],
    );
    await app.sql('ANALYZE audit');
    const plan = async (where: string) =>
      (
        await app.sql<{ 'QUERY PLAN': string }>(
          `EXPLAIN SELECT * FROM audit WHERE ${where} ORDER BY org_uid DESC, audit_id DESC LIMIT 20`,
        )
      )
        .map((r) => r['QUERY PLAN'])
        .join('\n');
    for (const where of [`org_uid = '${uid}'`, 'org_uid IS NULL']) {
      expect(await plan(where)).toContain('Index Scan Backward using audit_org');
      expect(await plan(where)).not.toContain('Sort');
    }
  });
});

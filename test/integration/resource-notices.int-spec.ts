import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { execute, InvalidatedCache, PgNotifications, query } from '#platform';
import { SiteDocumentsService, type SiteKind } from '../../src/blueprints/index.js';
import { type ResourceNotice, ResourceNotices } from '../support/notices.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let notices: ResourceNotices;
beforeAll(async () => {
  app = await openTestApp();
  notices = await ResourceNotices.listen(app.database.url);
});
afterAll(async () => {
  await notices?.close();
  await app?.close();
});

interface Site {
  siteId: number;
  niceId: string;
}

let serial = 0;
let orgId: string;
beforeEach(async () => {
  orgId = `rn${serial++}`;
  await app.makeOrg(orgId);
  await notices.take();
});

const site = () => app.root.expect<Site>('PUT', `/org/${orgId}/site`, { name: 'edge', type: 'newt' });
const suspend = (s: Site) => app.root.expect('POST', `/site/${s.siteId}`, { status: 'pending' });
const approve = (s: Site) => app.root.expect('POST', `/site/${s.siteId}`, { status: 'approved' });
const resource = async (port: number) =>
  (
    await app.root.expect<{ resourceId: number }>('PUT', `/org/${orgId}/resource`, {
      name: `Raw ${port}`,
      http: false,
      protocol: 'tcp',
      proxyPort: port,
    })
  ).resourceId;
const privateResource = async (s: Site) =>
  (
    await app.root.expect<{ siteResourceId: number }>('PUT', `/org/${orgId}/site-resource`, {
      name: 'DB',
      mode: 'host',
      destination: '10.0.0.9',
      siteId: s.siteId,
    })
  ).siteResourceId;
const send = async (s: Site, document: object, kind: SiteKind = 'file') =>
  expect(
    await app.get(SiteDocumentsService).applyFromSite(orgId, s.siteId, kind, JSON.stringify(document)),
  ).toMatchObject({ ok: true });
/** Public and private, with parts of every kind. */
const document = (port = 8080) => ({
  'public-resources': {
    web: {
      name: 'Web',
      mode: 'http',
      'full-domain': `web-${orgId}.localhost`,
      auth: { 'sso-enabled': true, 'sso-roles': ['Member', 'Night'], 'whitelist-users': ['walk@example.com'] },
      rules: [{ action: 'deny', match: 'ip', value: '192.0.2.1' }],
      targets: [{ hostname: '10.0.0.1', port, method: 'http' }],
    },
  },
  'private-resources': { db: { name: 'DB', mode: 'host', destination: `10.0.0.${port % 250}`, roles: ['Member'] } },
});
const idsOf = async (): Promise<{ public: number; private: number }> =>
  (
    await app.sql<{ public: number; private: number }>(
      `SELECT (SELECT resource_id FROM resource WHERE org_id = $1) AS public, (SELECT site_resource_id FROM site_resource WHERE org_id = $1) AS private`,
      [orgId],
    )
  )[0]!;
const told = (kind: ResourceNotice['kind'], ids: number[] | null): ResourceNotice => ({ orgId, kind, ids });

describe('a notice of change', () => {
  it('is of the organization, the kind and the resources, one per statement', async () => {
    const ids = [await resource(1000), await resource(1001), await resource(1002)];
    expect(await notices.take()).toEqual(ids.map((id) => told('public', [id])));
    await app.sql(
      `INSERT INTO resource_rule (org_id, resource_id, action, match, value, priority) SELECT $1, id, 'DROP', 'IP', '192.0.2.1', n FROM unnest($2::bigint[]) AS id, generate_series(1, 3) AS n`,
      [orgId, ids],
    );
    expect(await notices.take()).toEqual([told('public', ids)]);
    await app.sql('UPDATE resource_rule SET enabled = false WHERE resource_id = ANY ($1) AND priority = 2', [
      ids.slice(1),
    ]);
    expect(await notices.take()).toEqual([told('public', ids.slice(1))]);
    await app.sql('DELETE FROM resource_rule WHERE org_id = $1 AND resource_id = $2', [orgId, ids[0]]);
    expect(await notices.take()).toEqual([told('public', ids.slice(0, 1))]);
  });

  it('is one for each organization of a statement', async () => {
    const first = { orgId, id: await resource(1000) };
    orgId = `rn${serial++}`;
    await app.makeOrg(orgId);
    const second = { orgId, id: await resource(1000) };
    await notices.take();
    await app.sql(`UPDATE resource SET name = 'both' WHERE resource_id = ANY ($1)`, [[first.id, second.id]]);
    const each = [first, second].map((one) => ({ orgId: one.orgId, kind: 'public', ids: [one.id] }));
    const sent = await notices.take();
    expect(sent.sort((a, b) => a.orgId.localeCompare(b.orgId, 'en', { numeric: true }))).toEqual(each);
  });

  it('names up to 100 resources, and beyond that none, which stands for any', async () => {
    const insert = (from: number, n: number) =>
      app.sql<{ id: number }>(
        `INSERT INTO resource (org_id, nice_id, name, http, protocol, proxy_port) SELECT $1, 'r' || i, 'r', false, 'tcp', i FROM generate_series($2::int, $3::int) AS i RETURNING resource_id AS id`,
        [orgId, from, from + n - 1],
      );
    const made = await insert(1, 100);
    expect(await notices.take()).toEqual([
      told(
        'public',
        made.map((row) => row.id),
      ),
    ]);
    await insert(1000, 101);
    expect(await notices.take()).toEqual([told('public', null)]);
  });

  it('comes of no change that nobody would see, nor of one that is rolled back', async () => {
    const id = await resource(1000);
    const s = await site();
    await app.root.expect('PUT', `/resource/${id}/target`, { siteId: s.siteId, ip: 'localhost', port: 80 });
    await notices.take();
    await app.sql(`UPDATE resource SET health = 'healthy' WHERE resource_id = $1`, [id]);
    await app.sql(`UPDATE target SET hc_health = 'healthy' WHERE resource_id = $1`, [id]);
    await app.sql('UPDATE resource SET name = name WHERE resource_id = $1', [id]);
    await app.sql('DELETE FROM resource_rule WHERE resource_id = $1', [id]);
    const failed = app.db.tx(async (tx) => {
      await execute(tx, `UPDATE resource SET name = 'never' WHERE resource_id = $1`, [id]);
      throw new Error('rolled back');
    });
    await expect(failed).rejects.toThrow('rolled back');
    expect(await notices.take()).toEqual([]);
  });

  it('comes of what goes with something else: a role, a member, a client, a site, a domain, the organization', async () => {
    const s = await site();
    const [id, hidden] = [await resource(1000), await privateResource(s)];
    await app.root.expect('PUT', `/resource/${id}/target`, { siteId: s.siteId, ip: 'localhost', port: 80 });
    const { roleId } = await app.root.expect<{ roleId: number }>('PUT', `/org/${orgId}/role`, { name: 'Night' });
    await app.sql('INSERT INTO resource_role VALUES ($1, $2)', [id, roleId]);
    await app.sql('INSERT INTO site_resource_role VALUES ($1, $2)', [hidden, roleId]);
    await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $1, $1)', [orgId]);
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $1)', [orgId]);
    await app.sql('INSERT INTO resource_user (org_id, resource_id, user_id) VALUES ($1, $2, $1)', [orgId, id]);
    await notices.take();
    await app.sql('DELETE FROM role WHERE role_id = $1', [roleId]);
    expect(await notices.take()).toEqual([told('public', [id]), told('private', [hidden])]);
    await app.sql('DELETE FROM membership WHERE org_id = $1', [orgId]);
    expect(await notices.take()).toEqual([told('public', [id])]);
    await app.root.expect('DELETE', `/site/${s.siteId}`);
    expect(await notices.take()).toEqual(expect.arrayContaining([told('public', [id]), told('private', [hidden])]));
    await app.root.expect('DELETE', `/org/${orgId}`);
    expect(await notices.take()).toEqual([told('public', [id]), told('private', [hidden])]);
  });

  it('comes of what a domain says of all that is on it, and of no look at its proof', async () => {
    const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', `/org/${orgId}/domains`);
    const { domainId } = domains[0]!;
    await app.root.expect('PATCH', `/org/${orgId}/domain/${domainId}`, { certResolver: 'other' });
    expect(await notices.take()).toEqual([told('public', null), told('private', null)]);
    await app.sql(`UPDATE domain SET tries = tries + 1, error_message = 'not yet' WHERE domain_id = $1`, [domainId]);
    expect(await notices.take()).toEqual([]);
  });
});

describe('what waits with a pending site', () => {
  it('is told of to nobody while it is made, changed and dropped, and is with its activation', async () => {
    const s = await site();
    await suspend(s);
    await notices.take();
    await send(s, document(8080));
    await send(s, document(8081));
    const ids = await idsOf();
    await app.sql(`UPDATE resource SET name = 'Waits' WHERE resource_id = $1`, [ids.public]);
    await app.sql('UPDATE target SET port = 9 WHERE resource_id = $1', [ids.public]);
    expect(await notices.take()).toEqual([]);
    await approve(s);
    expect(await notices.take()).toEqual(
      expect.arrayContaining([told('public', [ids.public]), told('private', [ids.private])]),
    );
    await send(s, document(8082));
    expect((await notices.take()).map((notice) => notice.kind).sort()).toEqual(['private', 'public']);
  });

  it('goes with a rejected site, and nobody hears of it', async () => {
    const s = await site();
    await app.sql(`UPDATE site SET status = 'pending' WHERE site_id = $1`, [s.siteId]);
    await send(s, document());
    await app.root.expect('DELETE', `/site/${s.siteId}`);
    expect((await idsOf()).public).toBeNull();
    expect(await notices.take()).toEqual([]);
  });

  it('is told of when it is changed while its site is being approved: before it or after it, never between', async () => {
    const s = await site();
    await suspend(s);
    await send(s, document());
    const { public: id } = await idsOf();
    const runner = app.db.dataSource.createQueryRunner();
    await runner.startTransaction();
    await execute(runner.manager, 'UPDATE resource SET staged_by = NULL, enabled = true WHERE resource_id = $1', [id]);
    await notices.take();
    const waiting = app.sql(`UPDATE resource_rule SET value = '192.0.2.2' WHERE resource_id = $1`, [id]);
    await until(async () => {
      const blocked = await query(
        app.db.manager,
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE resource_rule SET value%'`,
      );
      return blocked.length > 0;
    });
    await runner.commitTransaction();
    await runner.release();
    await waiting;
    expect(await notices.take()).toEqual([told('public', [id]), told('public', [id])]);
  });
});

describe('what a resource is made of', () => {
  /** Tables that hang on a resource and are nothing of it. */
  const NOT_OF_IT = {
    resource_declaration: 'who declares it',
    resource_session: 'who is let in; ends are told by other notices',
    resource_login_code: 'who is being let in',
    resource_mail_code: 'who is being let in',
    resource_guess: 'who was not',
    raw_port_error: 'what a server process could not do for it',
    site_resource_declaration: 'who declares it',
    resource_parts: 'what a document said',
    site_resource_parts: 'what a document said',
    staged_grant: 'waits with a pending site',
  };

  it('has the triggers on every table that refers to one, and the others are named with the reason', async () => {
    const tables = await app.sql<{ name: string; events: string[] | null }>(
      `SELECT r.relname AS name, (SELECT array_agg(n.name::text ORDER BY n.name) FROM (
         SELECT unnest(CASE WHEN t.tgtype & 4 > 0 THEN ARRAY['INSERT'] ELSE '{}' END || CASE WHEN t.tgtype & 8 > 0 THEN ARRAY['DELETE'] ELSE '{}' END
           || CASE WHEN t.tgtype & 16 > 0 THEN ARRAY['UPDATE'] ELSE '{}' END) AS name FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
         WHERE t.tgrelid = r.oid AND p.proname ~ '^(site_)?resource_(part_)?changed$' AND t.tgenabled = 'O') n) AS events
       FROM pg_class r WHERE r.oid IN ('resource'::regclass, 'site_resource'::regclass)
         OR r.oid IN (SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid IN ('resource'::regclass, 'site_resource'::regclass)) ORDER BY 1`,
    );
    const without = tables.filter((table) => table.events === null).map((table) => table.name);
    expect(without).toEqual(Object.keys(NOT_OF_IT).sort());
    for (const { name, events } of tables.filter((table) => table.events !== null))
      expect([name, events]).toEqual([name, ['DELETE', 'INSERT', 'UPDATE']]);
    expect(tables.length - without.length).toBe(12);
  });
});

describe('a cache of resources', () => {
  it('forgets a password that somebody changed, by any way to change it, and keeps the others', async () => {
    interface Login {
      id: number;
      hash: string | null;
    }
    const cache = new InvalidatedCache<Login>(app.get(PgNotifications), {
      max: 10,
      channels: {
        resource_changed: (payload) => {
          const { orgId: org, kind, ids } = JSON.parse(payload) as ResourceNotice;
          return kind === 'public' ? (ids?.map((id) => `resource:${id}`) ?? [`org:${org}`]) : [];
        },
      },
      tags: (key) => [`resource:${key}`, `org:${orgId}`],
    });
    let loads = 0;
    const login = (id: number) =>
      cache.get(String(id), async () => {
        loads++;
        const [row] = await app.sql<Login>(
          'SELECT resource_id AS id, password_hash AS hash FROM resource WHERE resource_id = $1',
          [id],
        );
        return row ?? null;
      });
    const [id, other] = [await resource(1000), await resource(1001)];
    // The notices of their making have passed when a later one has.
    let passed = false;
    app.get(PgNotifications).on('event_added', (payload) => void (passed ||= payload === orgId));
    await app.sql(`SELECT pg_notify('event_added', $1)`, [orgId]);
    await until(() => passed);
    await Promise.all([login(id), login(other)]);
    await app.sql(`UPDATE resource SET password_hash = 'new' WHERE resource_id = $1`, [id]);
    await until(async () => (await login(id))!.hash === 'new');
    await login(other);
    expect(loads).toBe(3);
  });
});

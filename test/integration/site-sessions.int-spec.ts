import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionEnd } from '#contracts';
import { Retention } from '#platform';
import type { SiteSession, SiteSessionList } from '../../src/agents/sessions/site-sessions.dto.js';
import { ServerLease } from '../../src/cluster/index.js';
import { deviceToken, newHardwareId, provision, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let key: string;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  key = (await org.key({ approveNewSites: true })).siteProvisioningKey;
});
afterAll(() => app?.close());

interface View {
  connectedFrom: string | null;
  connectedSince: string | null;
  lastDisconnect: { at: string; reason: SessionEnd } | null;
}

async function device(): Promise<{ siteId: number; token: string }> {
  const { body } = await provision(app.root.url, { provision_key: key, hardware_id: newHardwareId() });
  const [row] = await app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  const { body: answer } = await deviceToken(app.root.url, body.api_key);
  return { siteId: row!.siteId, token: answer.data.token };
}
const connect = (token: string) => TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, token);
const list = (siteId: number, query = '') =>
  app.root.expect<SiteSessionList>('GET', `/site/${siteId}/sessions${query}`);
const view = (siteId: number) => app.root.expect<View>('GET', `/site/${siteId}`);
/** The newest session, once it has ended. */
const ended = (siteId: number): Promise<SiteSession> =>
  until(async () => (await list(siteId)).sessions.find(({ endedAt }, i) => i === 0 && endedAt !== null));

describe('the sessions of a site', () => {
  it('begin with the connection, say what they run as, and end with a reason', async () => {
    const { siteId, token } = await device();
    expect(await view(siteId)).toMatchObject({ connectedFrom: null, connectedSince: null, lastDisconnect: null });
    const session = await connect(token);
    await session.hello({ version: '9.8.7' });
    const open = await until(async () => {
      const [only] = (await list(siteId)).sessions;
      return only?.clientVersion ? only : undefined;
    });
    expect(open).toMatchObject({
      serverId: app.get(ServerLease).serverId,
      address: '127.0.0.1',
      clientType: 'agent',
      clientVersion: '9.8.7',
      endedAt: null,
      endReason: null,
    });
    expect(await view(siteId)).toMatchObject({ connectedFrom: '127.0.0.1', connectedSince: open.connectedAt });
    await session.close();
    const over = await ended(siteId);
    expect(over).toEqual({ ...open, endedAt: expect.any(String), endReason: 'closed' });
    expect(await view(siteId)).toMatchObject({
      connectedFrom: null,
      connectedSince: null,
      lastDisconnect: { at: over.endedAt, reason: 'closed' },
    });
    // While the next one lasts, the last that ended is still told.
    const next = await connect(token);
    expect(await view(siteId)).toMatchObject({
      connectedFrom: '127.0.0.1',
      lastDisconnect: { at: over.endedAt, reason: 'closed' },
    });
    await next.close();
  });

  const ends: [SessionEnd, (siteId: number, session: TestSession, token: string) => Promise<unknown>][] = [
    ['closed', (_, session) => session.close()],
    ['connection_lost', async (_, session) => session.cut()],
    ['restart', (siteId) => app.root.expect('POST', `/site/${siteId}/restart`)],
    ['revoked', (siteId) => app.root.expect('POST', `/site/${siteId}/revoke`, {})],
    [
      'credential_ended',
      (siteId) =>
        app.sql(
          `WITH c AS (UPDATE site_credential SET expires_at = now(), renew_until = now() WHERE site_id = $1 RETURNING site_id)
           SELECT pg_notify('site_changed', site_id::text) FROM c`,
          [siteId],
        ),
    ],
    [
      'unread',
      async (siteId) => {
        const { SessionRegistry } = await import('../../src/agents/gateway/session-registry.js');
        app.get(SessionRegistry).open.get(siteId)!.cutOff();
      },
    ],
  ];
  it.each(ends)('ends as %s, and the event says so too', async (reason, act) => {
    const { siteId, token } = await device();
    const session = await connect(token);
    await session.settled();
    await act(siteId, session, token);
    expect(await ended(siteId)).toMatchObject({ endReason: reason });
    expect(
      await app.sql(`SELECT data ->> 'reason' AS reason FROM event WHERE site_id = $1 AND type = 'site.offline'`, [
        siteId,
      ]),
    ).toEqual([{ reason }]);
  });

  it('are ended by the one that takes over, in its transaction: one is open', async () => {
    const { siteId, token } = await device();
    const first = await connect(token);
    const second = await connect(token);
    await first.closed;
    const { sessions } = await list(siteId);
    expect(sessions.map(({ endReason }) => endReason)).toEqual([null, 'replaced']);
    // One that was let in and whose connection is gone before it opens ends, too.
    await second.close();
  });

  it('end with the lease of their server, and go on when it returns', async () => {
    const { siteId, token } = await device();
    const session = await connect(token);
    await session.settled();
    // As another server would that finds the lease run out.
    const { PresenceLease } = await import('../../src/agents/presence/presence-lease.js');
    const lease = app.get(PresenceLease) as unknown as {
      putOffline(tx: unknown, serverId: string, end: string): Promise<boolean>;
      restoreAll(): Promise<void>;
    };
    const { serverId } = app.get(ServerLease);
    await app.db.tx((tx) => lease.putOffline(tx, serverId, 'lost'));
    expect(await ended(siteId)).toMatchObject({ endReason: 'server_lost' });
    await lease.restoreAll();
    const { sessions } = await list(siteId);
    expect(sessions).toHaveLength(1);
    expect(sessions[0]).toMatchObject({ endedAt: null, endReason: null });
    expect((await view(siteId)).connectedFrom).toBe('127.0.0.1');
    await session.close();
  });

  it('of a server that knew no rows are there once it was restored', async () => {
    const { siteId, token } = await device();
    const session = await connect(token);
    await session.settled();
    await app.sql('DELETE FROM site_session WHERE site_id = $1', [siteId]);
    await app.sql('UPDATE site_presence SET session_id = NULL, server_id = NULL WHERE site_id = $1', [siteId]);
    const { PresenceLease } = await import('../../src/agents/presence/presence-lease.js');
    await (app.get(PresenceLease) as unknown as { restoreAll(): Promise<void> }).restoreAll();
    expect((await list(siteId)).sessions).toMatchObject([{ address: '127.0.0.1', endedAt: null }]);
    await session.close();
  });

  it('are paged, newest first, and narrowed to those that touch a time', async () => {
    const { siteId } = await device();
    await app.sql(
      `INSERT INTO site_session (session_id, site_id, connected_at, ended_at, end_reason)
       SELECT gen_random_uuid(), $1, '2026-01-01'::timestamptz + make_interval(days => i), '2026-01-01'::timestamptz + make_interval(days => i, hours => 12), 'closed'
       FROM generate_series(0, 9) i`,
      [siteId],
    );
    const days = async (query: string) => {
      const { sessions, pagination } = await list(siteId, query);
      return { days: sessions.map(({ connectedAt }) => Number(String(connectedAt).slice(8, 10))), pagination };
    };
    expect(await days('?limit=3&offset=2')).toEqual({
      days: [8, 7, 6],
      pagination: { total: 10, limit: 3, offset: 2 },
    });
    // The one of the second lasts into the time, the one of the fifth begins at its end.
    expect((await days('?from=2026-01-02T06:00:00Z&to=2026-01-05T00:00:00Z')).days).toEqual([4, 3, 2]);
    expect((await app.root.get(`/site/${siteId}/sessions?from=yesterday`)).status).toBe(400);
  });

  it('go with their site, and by age: but not the newest of a site, nor an open one', async () => {
    const gone = await device();
    const session = await connect(gone.token);
    await session.settled();
    await app.root.expect('DELETE', `/site/${gone.siteId}`);
    await session.closed;
    expect(await app.sql('SELECT FROM site_session WHERE site_id = $1', [gone.siteId])).toEqual([]);

    const { siteId, token } = await device();
    const open = await connect(token);
    await open.settled();
    const away = await device();
    const insert = (site: number, days: number, lasted: number | null) =>
      app.sql(
        `INSERT INTO site_session (session_id, site_id, connected_at, ended_at, end_reason)
         SELECT $1, $2, now() - make_interval(days => $3), now() - make_interval(days => $3) + make_interval(days => $4), CASE WHEN $4::int IS NOT NULL THEN 'closed' END`,
        [randomUUID(), site, days, lasted],
      );
    await app.sql(`UPDATE site_session SET connected_at = now() - interval '90 days' WHERE site_id = $1`, [siteId]);
    await insert(away.siteId, 80, 1);
    await insert(away.siteId, 70, 1);
    // Lasted until yesterday.
    await insert(away.siteId, 60, 59);
    // Nobody ended it.
    await insert(away.siteId, 50, null);
    await insert(away.siteId, 40, 1);
    await app.get(Retention).sweep();
    const left = (id: number) =>
      app.sql(
        `SELECT round(extract(epoch FROM now() - connected_at) / 86400)::int AS days FROM site_session WHERE site_id = $1 ORDER BY connected_at`,
        [id],
      );
    expect(await left(siteId)).toEqual([{ days: 90 }]);
    expect(await left(away.siteId)).toEqual([{ days: 60 }, { days: 40 }]);
    await open.close();
  });
});

import { describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import {
  approved,
  connect,
  device,
  isOnline,
  org,
  pending,
  refusal,
  server,
  setUpDeviceSessions,
  sql,
} from '../support/device-sessions.js';
import { startServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';

setUpDeviceSessions();

const events = async (siteId: number) =>
  (
    await sql<{ type: string }>(
      `SELECT type FROM event WHERE site_id = $1 AND type IN ('site.online', 'site.offline', 'site.duplicate_session') ORDER BY event_id`,
      [siteId],
    )
  ).map((e) => e.type);

describe('presence', () => {
  it('is exactly one event per transition', async () => {
    const { token, siteId } = await device();
    for (let round = 1; round <= 3; round++) {
      const session = await connect(token);
      expect(await isOnline(siteId)).toBe(true);
      expect((await events(siteId)).length).toBe(2 * round - 1);
      if (round % 2) await session.close();
      else session.cut();
      await until(async () => !(await isOnline(siteId)));
      expect(await events(siteId)).toEqual(Array.from({ length: round }, () => ['site.online', 'site.offline']).flat());
    }
  });

  it('shows in the list of sites', async () => {
    const { token, siteId } = await device();
    const session = await connect(token);
    expect((await org.sites('&online=true')).sites.find((s) => s.siteId === siteId)?.online).toBe(true);
    await session.close();
  });

  it('has last-seen written while the session only answers protocol PINGs', async () => {
    const { token, siteId } = await device();
    const session = await connect(token);
    const lastSeen = async () =>
      (await sql<{ t: Date }>('SELECT last_seen_at t FROM site_presence WHERE site_id = $1', [siteId]))[0]!.t.getTime();
    const before = await lastSeen();
    session.ws.ping();
    await until(async () => (await lastSeen()) > before, 200);
    expect(await events(siteId)).toEqual(['site.online']);
    await session.close();
  });
});

describe('the take-over rule', () => {
  it('lets the newest session win, three times a minute; then the established one stays and the duel is reported once', async () => {
    const { token, siteId } = await device();
    let established = await connect(token);
    for (let i = 0; i < 3; i++) {
      const newest = await connect(token);
      expect((await established.closed).code).toBe(4001);
      established = newest;
    }
    for (let i = 0; i < 2; i++) {
      const refused = await refusal(token);
      expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
    }
    await established.settled();
    expect(await events(siteId)).toEqual(['site.online', 'site.duplicate_session']);
    const [event] = await sql<{ data: object }>(
      `SELECT data FROM event WHERE site_id = $1 AND type = 'site.duplicate_session'`,
      [siteId],
    );
    expect(event!.data).toEqual({ establishedAddress: '127.0.0.1', newcomerAddress: '127.0.0.1' });
    await established.close();
    // The place is free: no guard keeps the site out.
    await until(async () => !(await isOnline(siteId)));
    await (await connect(token)).close();
  });

  it('holds when clones arrive at the same moment: one session, one is registered', async () => {
    const { token, siteId } = await device();
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => connect(token)));
    const sessions = outcomes.flatMap((o) => (o.status === 'fulfilled' ? [o.value] : []));
    expect(sessions).toHaveLength(4);
    await until(() => sessions.filter((s) => s.isOpen).length === 1);
    expect(await events(siteId)).toEqual(['site.online', 'site.duplicate_session']);
    for (const session of sessions) session.cut();
  });

  it('does not take an agent that was cut off for a clone of itself', async () => {
    const { token, siteId } = await device();
    for (let i = 0; i < 8; i++) {
      const session = await connect(token);
      session.cut();
      await until(async () => !(await isOnline(siteId)));
    }
    await (await connect(token)).close();
  });
});

describe('revocation', () => {
  it('closes the session with 4003 and the word for it when the site is revoked, rejected or deleted, on every server process', async () => {
    const root = Api.root(server);
    const reject = (siteIds: number[]) =>
      root.expect('POST', `/org/${org.orgId}/approvals`, { siteIds, decision: 'reject', tombstone: false });
    const acts: [string, string, (siteId: number) => Promise<unknown>][] = [
      ['revoked', approved, (id) => root.expect('POST', `/site/${id}/revoke`, {})],
      ['rejected', pending, (id) => reject([id])],
      ['rejected', pending, (id) => root.expect('DELETE', `/site/${id}`)],
      ['deleted', approved, (id) => root.expect('DELETE', `/site/${id}`)],
    ];
    const other = await startServer({ databaseUrl: server.databaseUrl });
    for (const [reason, key, act] of acts)
      for (const [{ wsUrl }, says] of [
        [server, 'agent/hello'],
        [other, 'agent/hello'],
        [other, 'newt/ping'],
      ] as const) {
        const { token, siteId } = await device(key);
        const session = await TestSession.connect(wsUrl, token);
        if (says === 'agent/hello') await session.hello();
        else await session.settled();
        await act(siteId);
        expect(await session.closed).toEqual({ code: 4003, reason });
      }
    await other.stop();
  });
});

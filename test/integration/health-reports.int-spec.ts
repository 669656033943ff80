import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentHealthCheck, AgentHealthResult } from '#contracts';
import { deviceToken, newHardwareId, provision, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

// What the server makes of what agents tell (docs/health.md rules 6 to 8).

let app: TestApp;
let org: TestOrg;
let key: string;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  key = (await org.key({ approveNewSites: true })).siteProvisioningKey;
});
afterAll(() => app?.close());

interface Health {
  hcHealth: string;
  hcLastError: string | null;
  hcToldAt: string | null;
}

async function device(): Promise<{ siteId: number; connect: () => Promise<TestSession> }> {
  const { body } = await provision(app.root.url, { provision_key: key, hardware_id: newHardwareId() });
  const [row] = await app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
    body.device_id,
  ]);
  const connect = async () => {
    const { body: answer } = await deviceToken(app.root.url, body.api_key);
    return TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, answer.data.token);
  };
  return { siteId: row!.siteId, connect };
}
let port = 2000;
const newResource = async () =>
  (
    await app.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
      name: 'app',
      http: false,
      protocol: 'tcp',
      proxyPort: ++port,
    })
  ).resourceId;
const newTarget = async (resourceId: number, siteId: number) =>
  (
    await app.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
      siteId,
      ip: '10.0.0.1',
      port: 80,
      hcEnabled: true,
    })
  ).targetId;
const health = async (targetId: number): Promise<Health> => {
  const { hcHealth, hcLastError, hcToldAt } = await app.root.expect<Health>('GET', `/target/${targetId}`);
  return { hcHealth, hcLastError, hcToldAt };
};
const becomes = (targetId: number, wanted: string) => until(async () => (await health(targetId)).hcHealth === wanted);
const resourceHealth = async (resourceId: number) =>
  (await app.root.expect<{ health: string }>('GET', `/resource/${resourceId}`)).health;
const events = (targetId: number) =>
  app.sql<{ type: string; data: object }>(
    `SELECT type, data FROM event WHERE type IN ('target.healthy', 'target.unhealthy') AND data ->> 'targetId' = $1::text ORDER BY event_id`,
    [String(targetId)],
  );
/** The check of a target in the newest state that has it so. */
async function checkIn(session: TestSession, targetId: number, revision = 1): Promise<AgentHealthCheck> {
  const of = (data: Record<string, unknown>) =>
    (data['healthChecks'] as AgentHealthCheck[]).find(
      (check) => check.targetId === targetId && check.revision >= revision,
    );
  return of((await session.message('agent/state', (data) => of(data) !== undefined)).data)!;
}
const tell = async (session: TestSession, ...results: AgentHealthResult[]) => {
  session.send('agent/health', { results });
  await session.settled();
};

describe('what an agent tells', () => {
  it('is the health of its target, with the last error and when; each change is an event', async () => {
    const { siteId, connect } = await device();
    const resourceId = await newResource();
    const targetId = await newTarget(resourceId, siteId);
    expect(await health(targetId)).toEqual({ hcHealth: 'unknown', hcLastError: null, hcToldAt: null });
    const session = await connect();
    await session.hello();
    const { revision } = await checkIn(session, targetId);
    // Asked once, after the state: it may have found out something before.
    await session.message('agent/health');
    const error = 'nobody listens there';
    await tell(session, { targetId, revision, health: 'unhealthy', error });
    await becomes(targetId, 'unhealthy');
    const told = await until(async () => ((await health(targetId)).hcToldAt ? health(targetId) : undefined));
    expect(told).toMatchObject({ hcLastError: error, hcToldAt: expect.stringMatching(/^20/) });
    expect(await resourceHealth(resourceId)).toBe('unhealthy');
    await tell(session, { targetId, revision, health: 'healthy' });
    await becomes(targetId, 'healthy');
    await until(async () => (await health(targetId)).hcLastError === null);
    expect(await resourceHealth(resourceId)).toBe('healthy');
    expect(await events(targetId)).toEqual([
      { type: 'target.unhealthy', data: { targetId, resourceId, error } },
      { type: 'target.healthy', data: { targetId, resourceId } },
    ]);
    expect(session.received.filter(({ type }) => type === 'agent/health')).toHaveLength(1);
    await session.close();
  });

  it('counts for its own targets only, and for the check as it is now', async () => {
    const [own, other] = [await device(), await device()];
    const resourceId = await newResource();
    const [mine, theirs, changed] = [
      await newTarget(resourceId, own.siteId),
      await newTarget(resourceId, other.siteId),
      await newTarget(resourceId, own.siteId),
    ];
    const session = await own.connect();
    await session.hello();
    const { revision } = await checkIn(session, changed);
    const body = { siteId: own.siteId, ip: '10.0.0.1', hcEnabled: true, hcPath: '/up' };
    await app.root.expect('POST', `/target/${changed}`, body);
    await tell(
      session,
      { targetId: theirs, revision, health: 'unhealthy' },
      { targetId: changed, revision, health: 'unhealthy' },
      { targetId: mine, revision, health: 'healthy' },
    );
    await becomes(mine, 'healthy');
    expect((await health(theirs)).hcHealth).toBe('unknown');
    expect((await health(changed)).hcHealth).toBe('unknown');
    const now = await checkIn(session, changed, revision + 1);
    expect(now).toMatchObject({ revision: revision + 1, path: '/up' });
    await tell(session, { targetId: changed, revision: now.revision, health: 'unhealthy' });
    await becomes(changed, 'unhealthy');
    expect(await resourceHealth(resourceId)).toBe('degraded');
    await session.close();
  });

  it('is judged: a bad or long message is answered with an error, and changes nothing', async () => {
    const { siteId, connect } = await device();
    const targetId = await newTarget(await newResource(), siteId);
    const session = await connect();
    await session.hello();
    const { revision } = await checkIn(session, targetId);
    const good = { targetId, revision, health: 'healthy' };
    const bad: unknown[] = [
      Array.from({ length: 201 }, () => good),
      [{ ...good, health: 'splendid' }],
      [{ ...good, error: 'x'.repeat(301) }],
      [{ ...good, error: '\0' }],
      [{ ...good, revision: '1' }],
      [null],
      'all',
    ];
    for (const results of bad) session.send('agent/health', { results });
    await session.settled();
    expect(session.received.filter(({ type }) => type === 'error')).toHaveLength(bad.length);
    expect((await health(targetId)).hcHealth).toBe('unknown');
    expect(session.isOpen).toBe(true);
    await session.close();
  });

  it('is told again in the next session, where the server asks for it', async () => {
    const { siteId, connect } = await device();
    const targetId = await newTarget(await newResource(), siteId);
    for (const wanted of ['healthy', 'unhealthy'] as const) {
      const session = await connect();
      await session.hello();
      const { revision } = await checkIn(session, targetId);
      await session.message('agent/health');
      await tell(session, { targetId, revision, health: wanted });
      await becomes(targetId, wanted);
      await session.close();
    }
  });
});

describe('a target that is not checked any more is unknown', () => {
  /** A target that was told to be unhealthy, its resource, its site, and the session that told it. */
  async function told() {
    const { siteId, connect } = await device();
    const resourceId = await newResource();
    const targetId = await newTarget(resourceId, siteId);
    const session = await connect();
    await session.hello();
    const { revision } = await checkIn(session, targetId);
    await tell(session, { targetId, revision, health: 'unhealthy', error: 'answered 500' });
    await becomes(targetId, 'unhealthy');
    return { siteId, resourceId, targetId, session, revision };
  }
  const UNKNOWN = { hcHealth: 'unknown', hcLastError: null, hcToldAt: null };

  it.each([
    ['its check is switched off', 'POST', { hcEnabled: false }],
    ['it is disabled', 'POST', { hcEnabled: true, enabled: false }],
  ])('when %s', async (_what, _method, body) => {
    const { siteId, targetId, resourceId, session } = await told();
    await app.root.expect('POST', `/target/${targetId}`, { siteId, ip: '10.0.0.1', ...body });
    expect([await health(targetId), await resourceHealth(resourceId)]).toEqual([UNKNOWN, 'unknown']);
    await session.close();
  });

  it('when its resource is disabled, and what comes late is nothing', async () => {
    const { targetId, resourceId, session, revision } = await told();
    await app.root.expect('POST', `/resource/${resourceId}`, { enabled: false });
    expect([await health(targetId), await resourceHealth(resourceId)]).toEqual([UNKNOWN, 'unknown']);
    await tell(session, { targetId, revision, health: 'unhealthy' });
    const other = await told();
    await other.session.close();
    expect(await health(targetId)).toEqual(UNKNOWN);
    await session.close();
  });

  it('when its site is suspended', async () => {
    const { siteId, targetId, resourceId, session } = await told();
    await app.root.expect('POST', `/site/${siteId}`, { status: 'pending' });
    expect([await health(targetId), await resourceHealth(resourceId)]).toEqual([UNKNOWN, 'unknown']);
    await session.close();
  });
});

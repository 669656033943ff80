import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ResourceWriter } from '../../src/resources/index.js';
import { blueprintCalls, domainOf, web } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
const { org, site, send, apply, rows } = blueprintCalls(() => app);

const checked = (port: number, more: object = {}) => ({
  method: 'http',
  hostname: '127.0.0.1',
  port,
  healthcheck: { hostname: '127.0.0.1', port },
  ...more,
});
/** As the sites of the organization tell it of all their targets. */
const tell = async (orgId: string, health: 'healthy' | 'unhealthy') => {
  const targets = await app.sql<{ siteId: number; targetId: number }>(
    'SELECT site_id AS "siteId", target_id AS "targetId" FROM target WHERE org_id = $1',
    [orgId],
  );
  await app.db.tx((tx) =>
    app.get(ResourceWriter).recordHealth(
      tx,
      targets.map((target) => ({ ...target, health })),
    ),
  );
};
const healthOf = async (orgId: string) =>
  (await app.sql<{ health: string }>('SELECT health FROM resource WHERE org_id = $1', [orgId]))[0]!.health;

/**
 * Holds rows that the first call wants, starts it, and the others once it waits; then lets go of the rows.
 * @returns how often PostgreSQL ended a transaction because of a deadlock (`Db.tx` runs it again, and nobody else would notice)
 */
async function deadlocksAmong(hold: string, values: unknown[], ...calls: (() => Promise<unknown>)[]): Promise<number> {
  const holder = new pg.Client({ connectionString: app.database.url });
  await holder.connect();
  const queries = vi.spyOn(pg.Client.prototype, 'query');
  try {
    await holder.query('BEGIN');
    await holder.query(hold, values);
    const answers: Promise<unknown>[] = [];
    for (const call of calls) {
      answers.push(call());
      await expect.poll(waiting).toBe(answers.length);
    }
    await holder.query('COMMIT');
    await Promise.all(answers);
    return queries.mock.settledResults.filter(
      ({ type, value }) => type === 'rejected' && (value as unknown as { code?: string }).code === '40P01',
    ).length;
  } finally {
    queries.mockRestore();
    await holder.end();
  }
}
const waiting = async () =>
  (
    await app.sql(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`,
    )
  ).length;

describe('the health of a resource', () => {
  it('is summed up when a document no longer names the resource that its targets hang on', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const resource = (targets: object[]) => web({ 'full-domain': domainOf(orgId, 'web'), targets });
    // Both declare it; the second one's target is healthy, the first one's is not.
    await send(orgId, one, 'file', resource([checked(1)]));
    await send(orgId, two, 'file', resource([checked(2)]));
    await app.sql(`UPDATE target SET hc_health = 'healthy' WHERE site_id = $1`, [two.siteId]);
    await app.sql(`UPDATE resource SET health = 'degraded' WHERE org_id = $1`, [orgId]);
    expect(await send(orgId, one, 'file', {})).toMatchObject({ ok: true });
    expect(await healthOf(orgId)).toBe('healthy');
  });

  it('is summed up when a file no longer adds targets to the resource of an operator', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await apply(
      orgId,
      JSON.stringify(
        web({ 'full-domain': domainOf(orgId, 'web'), targets: [], 'sites-may-add-targets': { sites: [s.niceId] } }),
      ),
    );
    expect(await send(orgId, s, 'file', { 'public-resources': { web: { targets: [checked(1)] } } })).toMatchObject({
      ok: true,
    });
    await tell(orgId, 'unhealthy');
    expect(await healthOf(orgId)).toBe('unhealthy');
    expect(await send(orgId, s, 'file', {})).toMatchObject({ ok: true });
    expect(await healthOf(orgId)).toBe('unknown');
  });

  it('follows a check that a document switches off and on, as one that the API does', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const document = (enabled: boolean) =>
      JSON.stringify(
        web({
          'full-domain': domainOf(orgId, 'web'),
          targets: [checked(1, { site: s.niceId, healthcheck: { hostname: '127.0.0.1', port: 1, enabled } })],
        }),
      );
    const health = async () => [
      await healthOf(orgId),
      (await app.sql<{ one: string }>('SELECT hc_health AS one FROM target WHERE org_id = $1', [orgId]))[0]!.one,
    ];
    await apply(orgId, document(true));
    expect(await health()).toEqual(['unknown', 'unknown']);
    await tell(orgId, 'healthy');
    expect(await health()).toEqual(['healthy', 'healthy']);
    await apply(orgId, document(false));
    expect(await health()).toEqual(['unknown', 'unknown']);
    await apply(orgId, document(true));
    expect(await health()).toEqual(['unknown', 'unknown']);
  });
});

describe('a document and another writer of the same resource', () => {
  const made = async () => {
    const orgId = await org();
    const s = await site(orgId);
    const document = (priority: number) =>
      JSON.stringify(
        web({ 'full-domain': domainOf(orgId, 'web'), targets: [checked(1, { site: s.niceId, priority })] }),
      );
    expect(await apply(orgId, document(1))).toMatchObject({ status: 201 });
    const [target] = await app.sql<{ id: number; resourceId: number }>(
      'SELECT target_id AS id, resource_id AS "resourceId" FROM target WHERE org_id = $1',
      [orgId],
    );
    return { orgId, s, document, ...target! };
  };
  const HOLD = 'SELECT FROM resource WHERE org_id = $1 FOR NO KEY UPDATE';

  it('who changes a target wait for each other without a deadlock', async () => {
    const { orgId, s, document, id } = await made();
    const change = { siteId: s.siteId, ip: '127.0.0.1', port: 1, hcEnabled: true, priority: 3 };
    expect(
      await deadlocksAmong(
        HOLD,
        [orgId],
        async () => expect(await apply(orgId, document(2))).toMatchObject({ status: 201 }),
        () => app.root.expect('POST', `/target/${id}`, change),
      ),
    ).toBe(0);
    expect(await app.sql('SELECT priority FROM target WHERE org_id = $1', [orgId])).toEqual([{ priority: 3 }]);
  });

  it('who deletes a target wait for each other without a deadlock', async () => {
    const { orgId, document, id } = await made();
    expect(
      await deadlocksAmong(
        HOLD,
        [orgId],
        async () => expect(await apply(orgId, document(2))).toMatchObject({ status: 201 }),
        () => app.root.expect('DELETE', `/target/${id}`),
      ),
    ).toBe(0);
    expect(await rows(orgId)).toMatchObject([{ targets: null }]);
    expect(await healthOf(orgId)).toBe('unknown');
  });

  it('who leaves it at the same moment leave nothing behind', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const document = web({ 'full-domain': domainOf(orgId, 'web') });
    for (const s of [one, two]) expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
    const leave = (s: typeof one) => async () => expect(await send(orgId, s, 'file', {})).toMatchObject({ ok: true });
    // Without a lock of the resource each has read who declares it before the other one has left.
    expect(
      await deadlocksAmong('SELECT FROM target WHERE org_id = $1 FOR UPDATE', [orgId], leave(one), leave(two)),
    ).toBe(0);
    expect(await rows(orgId)).toEqual([]);
  });

  it('who describes what the first one drops, and drops what it describes, come one after the other', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const documentOf = (key: string) => web({ 'full-domain': domainOf(orgId, key) }, key);
    expect(await send(orgId, one, 'file', documentOf('a'))).toMatchObject({ ok: true });
    expect(await send(orgId, two, 'file', documentOf('b'))).toMatchObject({ ok: true });
    const exchange = (s: typeof one, key: string) => async () =>
      expect(await send(orgId, s, 'file', documentOf(key))).toMatchObject({ ok: true });
    // Both have the rows that they began with when the second statement of the plan waits.
    expect(
      await deadlocksAmong(
        'SELECT pg_advisory_xact_lock(hashtextextended($1, 7241))',
        ['*.localhost'],
        exchange(one, 'b'),
        exchange(two, 'a'),
      ),
    ).toBe(0);
    expect((await rows(orgId)).map(({ key }) => key)).toEqual(['a', 'b']);
  });
});

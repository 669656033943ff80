// docs/integration-api.md §3.23, docs/adr/0093
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Drain, Retention } from '#platform';
import { AccessLog } from '../../src/edge/logs/access-log.js';
import { queues } from '../../src/edge/logs/edge-metrics.js';
import { RequestLog } from '../../src/edge/logs/request-log.js';
import { TrafficCounters } from '../../src/edge/logs/traffic-counters.js';
import { TestOrg } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { loginEntry, requestEntry } from '../support/request-entries.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let server: StartedApp;
let org: TestOrg;
let other: TestOrg;
let requests: RequestLog;
let logins: AccessLog;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await DatabaseProxy.start(database.url);
  server = await startApp(proxy.url, { RETENTION_DAYS: '30' });
  org = await TestOrg.create(server.root);
  other = await TestOrg.create(server.root, { subnet: '100.91.0.0/17' });
  requests = server.app.get(RequestLog);
  logins = server.app.get(AccessLog);
});
afterAll(async () => {
  await server?.close();
  await proxy?.stop();
  await database?.drop();
});

/** Beside the server. */
const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const rowsOf = (path: string) =>
  sql<Record<string, unknown>>(
    'SELECT *, host(address) AS ip FROM request_log WHERE path = $1 ORDER BY request_log_id',
    [path],
  );
const days = (of: TestOrg, log: 'Request' | 'Access', n: number) =>
  server.root.expect('POST', `/org/${of.orgId}`, { [`settingsLogRetentionDays${log}`]: n });
const uidOf = async ({ orgId }: TestOrg): Promise<string> =>
  (await sql<{ uid: string }>('SELECT org_uid AS uid FROM org WHERE org_id = $1', [orgId]))[0]!.uid;

describe('a request', () => {
  it('becomes a row with all that was told of it, the values of its query masked', async () => {
    const time = Date.parse('2126-01-02T03:04:05.678Z');
    requests.record(
      requestEntry({
        time,
        orgId: org.orgId,
        resourceId: 7,
        siteId: 8,
        targetId: 9,
        path: '/all?token=secret',
        method: 'POST',
        status: 503,
        code: 'site_offline',
        bytesIn: 1_000_000_000_000,
        durationMs: 1234.6,
        address: '2001:db8::7',
        user: { id: '\\N', name: 'ada "the {first}" \\ NULL' },
        decidedBy: { ruleId: 12 },
        userAgent: 'a,\tb\n{}\r\\n"é…\\',
        country: 'DE',
      }),
    );
    const [row] = await until(async () => {
      const rows = await rowsOf('/all');
      return rows.length > 0 ? rows : undefined;
    });
    expect(row).toMatchObject({
      org_uid: await uidOf(org),
      at: new Date(time),
      resource_id: 7,
      site_id: 8,
      target_id: 9,
      host: 'app.example.com',
      scheme: 'https',
      method: 'POST',
      query: 'token=*',
      status: 503,
      code: 'site_offline',
      allowed: true,
      reason: 100,
      rule_id: 12,
      authentication: null,
      bytes_in: 1_000_000_000_000,
      bytes_out: 100,
      duration_ms: 1235,
      ip: '2001:db8::7',
      user_id: '\\N',
      user_name: 'ada "the {first}" \\ NULL',
      user_agent: 'a,\tb\n{}\r\\n"é…\\',
      tls: true,
      country: 'DE',
    });
  });

  it('of an organization that wants no log, or is of nobody any more, leaves none', async () => {
    await days(other, 'Request', 0);
    for (const orgId of [other.orgId, 'gone', org.orgId]) requests.record(requestEntry({ orgId, path: '/wanted' }));
    // Of the organization that had this id before.
    requests.record(requestEntry({ orgId: org.orgId, path: '/wanted', time: Date.now() - 86_400_000 }));
    await until(async () => (await rowsOf('/wanted')).length > 0);
    expect((await rowsOf('/wanted')).map((row) => row['org_uid'])).toEqual([await uidOf(org)]);
  });

  it('that PostgreSQL refuses takes its batch along, and nothing of what comes later', async () => {
    requests.record(requestEntry({ orgId: org.orgId, path: '/refused', address: 'nowhere' }));
    await until(() => queues.get('request')!.droppedRows === 1);
    requests.record(requestEntry({ orgId: org.orgId, path: '/later' }));
    await until(async () => (await rowsOf('/later')).length === 1);
    expect(await rowsOf('/refused')).toEqual([]);
  });

  it('waits while PostgreSQL is away, and is written once it is back', async () => {
    await proxy.cut();
    for (let i = 0; i < 5000; i++) requests.record(requestEntry({ orgId: org.orgId, path: '/away' }));
    await until(async () => (await server.root.get(org.path('sites'))).status === 503);
    expect(await rowsOf('/away')).toEqual([]);
    await proxy.restore();
    await until(async () => (await rowsOf('/away')).length === 5000);
    // Until it has been asked again whether PostgreSQL is back, requests are refused.
    await until(async () => (await server.root.get(org.path('sites'))).status === 200);
  });
});

it('logins are written likewise, where the organization wants them', async () => {
  const of = (path: string) =>
    sql<{ path: string; user_name: string }>('SELECT * FROM access_log WHERE request_id = $1', [path]);
  await days(org, 'Access', 5);
  for (const orgId of [org.orgId, other.orgId])
    logins.record(
      loginEntry({ orgId, requestId: 'login', allowed: false, type: 'sso', user: { id: 'u', name: 'ada' } }),
    );
  await until(async () => (await of('login')).length > 0);
  expect(await of('login')).toMatchObject([
    { org_uid: await uidOf(org), type: 'sso', allowed: false, user_name: 'ada', resource_id: 1 },
  ]);
});

describe('bytes', () => {
  it('are added to the counters of their sites, from many requests at once, and those of gone sites nowhere', async () => {
    const { siteId } = await server.root.expect<{ siteId: number }>('PUT', org.path('site'), {
      name: 's',
      type: 'newt',
    });
    for (let i = 0; i < 4; i++)
      requests.record(requestEntry({ orgId: org.orgId, siteId, bytesIn: 524_288, bytesOut: 1_048_576 }));
    requests.record(requestEntry({ orgId: org.orgId, siteId: 999_999, bytesIn: 1 }));
    server.app.get(TrafficCounters).add({ orgId: org.orgId, resourceId: 3, siteId, bytesIn: 1_048_576, bytesOut: 0 });
    const counters = () => server.root.expect<{ megabytesIn: number; megabytesOut: number }>('GET', `/site/${siteId}`);
    await until(async () => (await counters()).megabytesOut === 4);
    expect(await counters()).toMatchObject({ megabytesIn: 3, megabytesOut: 4 });
  });

  it('are summed up by hour, resource and country, also without a log', async () => {
    const time = Date.parse('2126-05-06T07:08:09Z');
    for (const more of [{}, { status: 404 }, { status: 502, code: 'bad_gateway' }, { status: 403, code: 'forbidden' }])
      requests.record(
        requestEntry({ orgId: other.orgId, resourceId: 5, time, bytesIn: 10, bytesOut: 20, country: 'FR', ...more }),
      );
    requests.record(requestEntry({ orgId: other.orgId, resourceId: 5, time, country: 'AT' }));
    const sums = () => sql('SELECT * FROM traffic_hour WHERE org_uid = $1 AND resource_id = 5 ORDER BY country', [uid]);
    const uid = await uidOf(other);
    await until(async () => (await sums()).length === 2);
    const hour = new Date('2126-05-06T07:00:00Z');
    expect(await sums()).toMatchObject([
      { hour, country: 'AT', requests: 1, blocked: 0, bytes_out: 100 },
      { hour, country: 'FR', requests: 4, blocked: 1, client_errors: 2, server_errors: 1, bytes_in: 40, bytes_out: 80 },
    ]);
  });
});

describe('retention', () => {
  const left = async () =>
    (await sql<{ path: string }>(`SELECT path FROM request_log WHERE path LIKE '/kept%' ORDER BY path`)).map(
      (r) => r.path,
    );
  const insert = (uid: string, path: string, age: number, n = 1) =>
    sql(
      `INSERT INTO request_log (org_uid, at, request_id, resource_id, host, scheme, method, path, status, allowed, reason, bytes_in, bytes_out, duration_ms, tls)
       SELECT $1, now() - make_interval(days => $3), 'r', 1, 'h', 'http', 'GET', $2, 200, true, 101, 0, 0, 0, false FROM generate_series(1, $4)`,
      [uid, path, age, n],
    );

  it('is what the organization says, never longer than RETENTION_DAYS, and ends with the organization', async () => {
    await sql('DELETE FROM request_log');
    await sql(`UPDATE org SET log_retention_days_request = CASE org_id WHEN $1 THEN 7 ELSE -1 END`, [org.orgId]);
    const [mine, theirs] = [await uidOf(org), await uidOf(other)];
    await insert(mine, '/kept 6', 6);
    await insert(mine, '/gone 8', 8, 12_000);
    await insert(theirs, '/kept 29', 29);
    await insert(theirs, '/gone 31', 31);
    await insert('00000000-0000-4000-8000-000000000000', '/gone 0', 0);
    await server.app.get(Retention).sweep();
    expect(await left()).toEqual(['/kept 29', '/kept 6']);
    expect(await sql('SELECT FROM request_log')).toHaveLength(2);
    await sql(`UPDATE org SET log_retention_days_request = 0 WHERE org_id = $1`, [org.orgId]);
    await server.app.get(Retention).sweep();
    expect(await left()).toEqual(['/kept 29']);
  });

  it('of sums is RETENTION_DAYS', async () => {
    const uid = await uidOf(org);
    await sql('DELETE FROM traffic_hour');
    await sql(
      `INSERT INTO traffic_hour SELECT $1, 1, now() - make_interval(days => age), '', 1, 0, 0, 0, 0, 0 FROM unnest(ARRAY[29, 31]) AS age`,
      [uid],
    );
    await server.app.get(Retention).sweep();
    expect(await sql('SELECT FROM traffic_hour')).toHaveLength(1);
  });
});

it('a server that stops writes what it took', async () => {
  await days(org, 'Request', 7);
  const second = await startApp(database.url);
  for (let i = 0; i < 3; i++) second.app.get(RequestLog).record(requestEntry({ orgId: org.orgId, path: '/last' }));
  expect(
    second.app
      .get(Drain)
      .worksOf('flush')
      .map(({ name }) => name),
  ).toEqual(expect.arrayContaining(['RequestLog', 'AccessLog', 'TrafficCounters']));
  await second.close();
  expect(await rowsOf('/last')).toHaveLength(3);
});

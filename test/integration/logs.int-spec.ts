// docs/integration-api.md §3.23
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccessLog } from '../../src/edge/logs/access-log.js';
import type { AccessLogList, LogAnalytics, RequestLogList } from '../../src/edge/logs/logs.dto.js';
import { RequestLog } from '../../src/edge/logs/request-log.js';
import { type Api, TestOrg } from '../support/api.js';
import { loginEntry, requestEntry } from '../support/request-entries.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let other: TestOrg;
let resourceId: number;
const DAY = '2126-05-06';
const period = `timeStart=${DAY}&timeEnd=2126-05-08`;

beforeAll(async () => {
  app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
  org = await TestOrg.create(app.root);
  other = await TestOrg.create(app.root, { subnet: '100.91.0.0/17' });
  const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', org.path('domains'));
  ({ resourceId } = await app.root.expect<{ resourceId: number }>('PUT', org.path('resource'), {
    name: 'App',
    http: true,
    protocol: 'tcp',
    domainId: domains[0]!.domainId,
    subdomain: 'app',
  }));
  for (const of of [org, other])
    await app.root.expect('POST', `/org/${of.orgId}`, { settingsLogRetentionDaysAccess: 7 });
  const log = app.get(RequestLog);
  const at = (seconds: number) => Date.parse(`${DAY}T12:00:00Z`) + seconds * 1000;
  const of = { orgId: org.orgId, resourceId };
  log.record(requestEntry({ ...of, time: at(0), path: '/first?a=b', requestId: 'r-0', country: 'DE' }));
  log.record(
    requestEntry({
      ...of,
      time: at(1),
      method: 'POST',
      status: 502,
      code: 'bad_gateway',
      siteId: 3,
      host: 'b.example.com',
    }),
  );
  log.record(
    requestEntry({ ...of, time: at(2), status: 403, code: 'forbidden', decidedBy: { ruleId: 5 }, address: '10.1.2.3' }),
  );
  log.record(
    requestEntry({
      ...of,
      time: at(3),
      resourceId: 99,
      path: '/Ada%_x',
      user: { id: 'u1', name: 'ada@example.com' },
      decidedBy: { authentication: 'sso' },
      country: 'FR',
    }),
  );
  // At the same moment, one behind the other.
  for (let i = 0; i < 4; i++) log.record(requestEntry({ ...of, time: at(86_400), path: `/same/${i}`, bytesIn: 5 }));
  log.record(
    requestEntry({ orgId: other.orgId, resourceId, time: at(0), path: '/theirs', host: 'theirs.example.com' }),
  );
  log.record(requestEntry({ ...of, time: Date.now(), path: '/now' }));
  const logins = app.get(AccessLog);
  logins.record(loginEntry({ ...of, time: at(0), allowed: false, country: 'DE' }));
  logins.record(loginEntry({ ...of, time: at(1), type: 'sso', user: { id: 'u1', name: 'ada@example.com' } }));
  logins.record(loginEntry({ orgId: other.orgId, time: at(1) }));
  const count = async (table: string) => (await app.sql<{ n: number }>(`SELECT count(*) AS n FROM ${table}`))[0]!.n;
  await until(async () => (await count('request_log')) === 10 && (await count('access_log')) === 3);
  await until(async () => (await count('traffic_hour')) >= 6);
});
afterAll(() => app?.close());

const requests = (query: string, by: Api = app.root) =>
  by.expect<RequestLogList>('GET', org.path(`logs/request?${query}`));
const logins = (query: string) => app.root.expect<AccessLogList>('GET', org.path(`logs/access?${query}`));
const paths = async (query: string) => (await requests(`${period}&${query}`)).log.map(({ path }) => path);

describe('the request log', () => {
  it('is of seven days until now, unless a period is named', async () => {
    expect((await requests('')).log.map(({ path }) => path)).toEqual(['/now']);
    expect((await app.root.get(org.path('logs/request?timeStart=2126-05-07&timeEnd=2126-05-07'))).status).toBe(400);
  });

  it('has what a client of others reads of a row, and more', async () => {
    const { log } = await requests(`${period}&requestId=r-0`);
    expect(log).toEqual([
      {
        id: expect.any(Number),
        timestamp: Date.parse(`${DAY}T12:00:00Z`) / 1000,
        at: `${DAY}T12:00:00.000Z`,
        orgId: org.orgId,
        requestId: 'r-0',
        action: true,
        reason: 101,
        actorType: null,
        actor: null,
        actorId: null,
        resourceId,
        resourceName: 'App',
        resourceNiceId: expect.any(String),
        siteResourceId: null,
        ip: '192.0.2.7',
        location: 'DE',
        userAgent: 'curl/8.5.0',
        metadata: null,
        headers: null,
        method: 'GET',
        scheme: 'https',
        host: 'app.example.com',
        path: '/first',
        query: 'a=*',
        originalRequestURL: 'https://app.example.com/first?a=*',
        tls: true,
        status: 200,
        code: null,
        ruleId: null,
        authentication: 'none',
        siteId: null,
        targetId: null,
        bytesIn: 0,
        bytesOut: 100,
        durationMs: 4,
      },
    ]);
  });

  it.each([
    ['action=false', ['/']],
    ['method=POST', ['/']],
    ['reason=203', ['/']],
    ['resourceId=99', ['/Ada%_x']],
    ['actor=ada@example.com', ['/Ada%_x']],
    ['actorId=u1', ['/Ada%_x']],
    ['location=FR', ['/Ada%_x']],
    ['host=b.example.com', ['/']],
    ['path=/first', ['/first']],
    ['ip=10.0.0.0/8', ['/']],
    ['ip=10.1.2.3', ['/']],
    ['requestId=r-0', ['/first']],
    ['status=502', ['/']],
    ['status=4xx', ['/']],
    ['code=bad_gateway', ['/']],
    ['siteId=3', ['/']],
    ['query=ADA%25_', ['/Ada%_x']],
    ['query=a_a', []],
    ['action=true&status=2xx&location=DE', ['/first']],
    ['timeEnd=2126-05-06T12:00:01Z', ['/first']],
  ])('is narrowed by %s', async (query, expected) => {
    const [start, end] = period.split('&');
    const { log } = await requests(query.startsWith('timeEnd') ? `${start}&${query}` : `${start}&${end}&${query}`);
    expect(log.map(({ path }) => path)).toEqual(expected);
  });

  it.each(['status=6xx', 'status=abc', 'action=maybe', 'ip=nonsense', 'cursor=x', 'cursor=1.2&page=2', 'nothing=1'])(
    'refuses %s',
    async (query) => expect((await app.root.get(org.path(`logs/request?${query}`))).status).toBe(400),
  );

  it('is newest first, and read page by page or by cursor, also where rows came at one moment', async () => {
    const all = ['/same/3', '/same/2', '/same/1', '/same/0', '/Ada%_x', '/', '/', '/first'];
    expect(await paths('')).toEqual(all);
    expect(await paths('limit=3&offset=2')).toEqual(all.slice(2, 5));
    const { log, pagination, next } = await requests(`${period}&pageSize=3&page=3`);
    expect([log.length, pagination, next]).toEqual([2, { total: 8, limit: 3, offset: 6 }, null]);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: RequestLogList = await requests(`${period}&limit=3${cursor && `&cursor=${cursor}`}`);
      expect(page.pagination.total).toBe(8);
      seen.push(...page.log.map(({ path }) => path));
      cursor = page.next;
    }
    expect(seen).toEqual(all);
  });

  it('tells what it may be filtered by, of the organization alone', async () => {
    const { filterAttributes } = await requests(`${period}&limit=1`);
    expect(filterAttributes).toEqual({
      actors: ['ada@example.com'],
      locations: ['DE', 'FR'],
      hosts: ['app.example.com', 'b.example.com'],
      paths: expect.arrayContaining(['/', '/first', '/same/0']),
      resources: [
        { id: resourceId, name: 'App' },
        { id: 99, name: null },
      ],
    });
  });

  it('is exported whole, by the list or as other programs ask for it', async () => {
    const file = (path: string) =>
      fetch(`${app.root.url}/api/v1${org.path(path)}`, {
        headers: { authorization: `Bearer ${app.root.authorization}` },
      });
    const lines = (await (await file(`logs/request?${period}&format=jsonl`)).text()).trim().split('\n');
    const { log } = await requests(period);
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(log);
    const csv = await file(`logs/request/export?${period}&method=POST`);
    expect(csv.headers.get('content-type')).toContain('text/csv');
    expect(csv.headers.get('content-disposition')).toMatch(/^attachment; filename=".*-requests-/);
    const [head, row, ...rest] = (await csv.text()).trim().split('\r\n');
    expect([head!.split(',').sort(), rest]).toEqual([Object.keys(log[0]!).sort(), []]);
    expect(row).toContain('bad_gateway');
  });

  it('takes viewLogs, its export exportLogs, which the log of logins takes too', async () => {
    const [viewer, exporter] = [await app.orgKey(org.orgId, 'viewLogs'), await app.orgKey(org.orgId, 'exportLogs')];
    const status = async (by: Api, path: string) => (await by.get(org.path(path))).status;
    const of = async (by: Api) => {
      const found = [];
      for (const path of ['request', 'analytics', 'request/export', 'access', 'access/export'])
        found.push(await status(by, `logs/${path}`));
      return found;
    };
    expect(await of(viewer)).toEqual([200, 200, 403, 403, 403]);
    expect(await of(exporter)).toEqual([403, 403, 200, 200, 200]);
    expect((await viewer.get(other.path('logs/request'))).status).toBe(404);
  });
});

describe('the log of logins', () => {
  it('has who logged in how, or failed to', async () => {
    const { log, filterAttributes, pagination } = await logins(period);
    expect([
      pagination.total,
      log.map(({ type, action, actor, resourceName }) => [type, action, actor, resourceName]),
    ]).toEqual([
      2,
      [
        ['sso', true, 'ada@example.com', 'App'],
        ['password', false, null, 'App'],
      ],
    ]);
    expect(filterAttributes).toEqual({
      actors: ['ada@example.com'],
      locations: ['DE'],
      resources: [{ id: resourceId, name: 'App' }],
    });
  });

  it.each([
    ['type=sso', ['sso']],
    ['action=false', ['password']],
    ['actor=ada@example.com', ['sso']],
    ['query=ADA@', ['sso']],
    ['location=DE', ['password']],
    ['resourceId=98', []],
  ])('is narrowed by %s', async (query, types) =>
    expect((await logins(`${period}&${query}`)).log.map(({ type }) => type)).toEqual(types),
  );
});

describe('analytics', () => {
  const analytics = (query: string) => app.root.expect<LogAnalytics>('GET', org.path(`logs/analytics?${query}`));

  it('count requests and bytes by day, country and resource', async () => {
    const found = await analytics(`timeStart=2126-05-05&timeEnd=2126-05-08`);
    expect(found).toMatchObject({ totalRequests: 8, totalBlocked: 1, bytesIn: 20, bytesOut: 800 });
    const none = {
      totalCount: 0,
      allowedCount: 0,
      blockedCount: 0,
      clientErrors: 0,
      serverErrors: 0,
      bytesIn: 0,
      bytesOut: 0,
    };
    expect(found.requestsPerDay).toEqual([
      { day: '2126-05-05', ...none },
      {
        ...none,
        day: DAY,
        totalCount: 4,
        allowedCount: 3,
        blockedCount: 1,
        clientErrors: 1,
        serverErrors: 1,
        bytesOut: 400,
      },
      { ...none, day: '2126-05-07', totalCount: 4, allowedCount: 4, bytesIn: 20, bytesOut: 400 },
    ]);
    expect(found.requestsPerCountry).toEqual([
      { code: 'DE', count: 1 },
      { code: 'FR', count: 1 },
    ]);
    expect(found.requestsPerResource.map((r) => [r.resourceId, r.resourceName, r.totalCount])).toEqual([
      [resourceId, 'App', 7],
      [99, null, 1],
    ]);
  });

  it('are of whole hours, of seven days until now or another period, and of one resource', async () => {
    expect((await analytics('')).totalRequests).toBe(1);
    expect((await analytics('')).requestsPerDay.length).toBeGreaterThanOrEqual(8);
    const hour = 'timeStart=2126-05-06T12:59:00Z&timeEnd=2126-05-06T12:59:30Z';
    expect(await analytics(hour)).toMatchObject({
      from: '2126-05-06T12:00:00.000Z',
      to: '2126-05-06T13:00:00.000Z',
      totalRequests: 4,
    });
    expect((await analytics(`${hour}&resourceId=99`)).totalRequests).toBe(1);
    expect((await app.root.get(org.path('logs/analytics?timeStart=2100-01-01&timeEnd=2126-01-01'))).status).toBe(400);
  });
});

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { environmentTemplates, parse } from '#blueprint';
import { SiteDocumentsService } from '../../src/blueprints/index.js';
import { NOTHING, planOf } from '../support/blueprint-plans.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

// Whatever the API changes of what a document owns: the export checks, and applying it has nothing to do (docs/adr/0038).

const ORG = 'acme';
const SEED = 20_261_129;
const RUNS = 25;
const KINDS = ['file', 'labels'] as const;
const SECRETS = { PASSWORD: 'secret-pass', PINCODE: '123456' };

let app: TestApp;
let siteId: number;
let otherSite: number;
let ids: {
  web: number;
  raw: number;
  host: number;
  cidr: number;
  inner: number;
  targets: number[];
  rules: number[];
  roles: number[];
  domainId: string;
};
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg(ORG);
  const site = (name: string) => app.root.expect<{ siteId: number }>('PUT', `/org/${ORG}/site`, { name, type: 'newt' });
  siteId = (await site('one')).siteId;
  otherSite = (await site('two')).siteId;
  for (const name of ['ada', 'bob']) {
    await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $2)', [name, `${name}@example.org`]);
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [ORG, name]);
  }
});
afterAll(() => app?.close());

const DOCUMENT = {
  'public-resources': {
    web: {
      name: 'Web',
      mode: 'http',
      'full-domain': `web.${ORG}.localhost`,
      auth: { 'sso-enabled': true, 'sso-roles': ['Member'] },
      rules: [
        { action: 'allow', match: 'path', value: '/a/*' },
        { action: 'deny', match: 'country', value: 'NL' },
      ],
      targets: [
        { hostname: '10.0.0.1', port: 80, method: 'http' },
        { hostname: 'app_1', port: 81, method: 'https', healthcheck: { hostname: 'app_1', port: 81 } },
      ],
    },
    raw: { name: 'Raw', mode: 'udp', 'proxy-port': 5000, targets: [{ hostname: '10.0.0.1', port: 5000 }] },
  },
  'private-resources': {
    host: { name: 'Host', mode: 'host', destination: 'nas', alias: 'nas.lan', roles: ['Member'] },
    cidr: { name: 'Cidr', mode: 'cidr', destination: '10.9.0.0/16' },
    inner: { name: 'Inner', mode: 'http', destination: 'inner', 'full-domain': `inner.${ORG}.localhost` },
  },
};

/** The document, applied anew by the site. */
async function applied(kind: (typeof KINDS)[number]): Promise<void> {
  for (const table of ['resource', 'site_resource', 'blueprint_source']) await app.sql(`DELETE FROM ${table}`);
  const outcome = await app.get(SiteDocumentsService).applyFromSite(ORG, siteId, kind, JSON.stringify(DOCUMENT));
  expect(outcome).toMatchObject({ ok: true });
  const id = async (table: 'resource' | 'site_resource', key: string) =>
    (await app.sql<{ id: number }>(`SELECT ${table}_id AS id FROM ${table} WHERE nice_id = $1`, [key]))[0]!.id;
  const all = async (text: string) => (await app.sql<{ id: number }>(text)).map((row) => row.id);
  ids = {
    web: await id('resource', 'web'),
    raw: await id('resource', 'raw'),
    host: await id('site_resource', 'host'),
    cidr: await id('site_resource', 'cidr'),
    inner: await id('site_resource', 'inner'),
    targets: await all('SELECT target_id AS id FROM target ORDER BY target_id'),
    rules: await all('SELECT rule_id AS id FROM resource_rule ORDER BY rule_id'),
    roles: await all(`SELECT role_id AS id FROM role WHERE org_id = '${ORG}' AND NOT is_admin ORDER BY role_id`),
    domainId: (await app.sql<{ id: string }>(`SELECT domain_id AS id FROM resource WHERE nice_id = 'web'`))[0]!.id,
  };
}

/** The export checks, and has nothing to do; with the secrets that were set. */
async function expectExact(kind: (typeof KINDS)[number], calls: string[] = []): Promise<void> {
  const { contents } = await app.root.expect<{ contents: string }>('GET', `/site/${siteId}/blueprint?kind=${kind}`);
  const names = [...contents.matchAll(/\{\{env\.(\w+_(PASSWORD|PINCODE))\}\}/g)];
  const environment = Object.fromEntries(names.map(([, name, what]) => [name, SECRETS[what as keyof typeof SECRETS]]));
  const parsed = parse(contents, { templates: environmentTemplates(environment) });
  if (!parsed.ok) throw new Error(`${JSON.stringify(parsed.problems)}\n${calls.join('\n')}\n${contents}`);
  const plan = await planOf(app, ORG, siteId, kind, parsed.model);
  expect({ calls, contents, plan }).toEqual({ calls, contents, plan: NOTHING });
}

type Call = [method: 'POST' | 'PUT' | 'DELETE', path: () => string, body?: () => object];
const text = fc.constantFrom(
  '',
  'a',
  'Zu\u0308rich',
  'two\r\nlines',
  ' x ',
  '\u200b',
  'a\tb',
  '👩‍💻',
  '{{env.X}}',
  "it's: #1",
);
const host = fc.constantFrom('', 'inner.example.com', 'App_1:8080', '10.0.0.9', 'a b', 'UPPER.lan');
const headers = fc.constantFrom<unknown>(null, [], [{ name: 'X', value: '' }], [{ name: 'x-a', value: 'b\tc' }]);
const flag = fc.boolean();
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null });
const some = (model: Record<string, fc.Arbitrary<unknown>>) => fc.record(model, { requiredKeys: [] });
const emails = fc.uniqueArray(fc.constantFrom('*@example.com', 'Ada@Example.org', 'x@y.z', '*@bad'), { maxLength: 3 });

const changeWeb = some({
  name: text,
  niceId: fc.constantFrom('web', 'my_app.1', '12', 'two words', 'ümlaut'),
  subdomain: fc.constantFrom(null, 'App', 'a.b', '*'),
  ssl: flag,
  sso: flag,
  blockAccess: flag,
  emailWhitelistEnabled: flag,
  applyRules: flag,
  enabled: flag,
  stickySession: flag,
  tlsServerName: maybe(host),
  setHostHeader: maybe(host),
  responseTimeoutSeconds: fc.integer({ min: 1, max: 3600 }),
  staleSeconds: maybe(fc.integer({ min: 0, max: 86_400 })),
  headers,
  maintenanceModeEnabled: flag,
  maintenanceModeType: fc.constantFrom('forced', 'automatic'),
  maintenanceTitle: maybe(text),
  maintenanceMessage: maybe(text),
  maintenanceEstimatedTime: maybe(text),
});
const changeRaw = some({
  name: text,
  proxyPort: fc.constantFrom(5000, 5001, 0),
  enabled: flag,
  proxyProtocol: flag,
  proxyProtocolVersion: fc.constantFrom(1, 2, 3),
});
const changeTarget = some({
  port: fc.constantFrom(80, 81, 5000),
  method: fc.constantFrom(null, 'http', 'https', 'h2c', 'tcp'),
  insecureTls: flag,
  enabled: flag,
  path: maybe(fc.constantFrom('', '/', '/a')),
  pathMatchType: maybe(fc.constantFrom('exact', 'prefix', 'regex')),
  rewritePath: maybe(fc.constantFrom('', '/b')),
  rewritePathType: maybe(fc.constantFrom('exact', 'stripPrefix')),
  priority: fc.constantFrom(1, 100, 1000),
  hcEnabled: flag,
  hcPath: maybe(fc.constantFrom('/', '/healthz')),
  hcScheme: maybe(fc.constantFrom('', 'https')),
  hcMode: maybe(fc.constantFrom('', 'tcp')),
  hcHostname: maybe(host),
  hcPort: maybe(fc.constantFrom(1, 65_535)),
  hcInterval: maybe(fc.constantFrom(1, 30, 90_000)),
  hcTimeout: maybe(fc.constantFrom(5, 6)),
  hcHeaders: headers,
  hcFollowRedirects: maybe(flag),
  hcMethod: maybe(fc.constantFrom('GET', 'OPTIONSOPTIONS')),
  hcStatus: maybe(fc.constantFrom(0, 200, 99_999)),
  hcHealthyThreshold: maybe(fc.constantFrom(1, 2000)),
  hcTlsServerName: maybe(host),
});
const changeRule = fc.record(
  {
    priority: fc.constantFrom(1, 2, 3, -2_000_000),
    action: fc.constantFrom('ACCEPT', 'DROP', 'PASS'),
    match: fc.constantFrom('COUNTRY', 'ASN', 'PATH', 'CIDR', 'REGION', 'IP'),
    value: fc.constantFrom('de', 'XX', '64500', 'AS0', '/b/*', '10.0.0.0/08', '150', '::1', 'all'),
    enabled: flag,
  },
  { requiredKeys: ['priority'] },
);
const changePrivate = some({
  name: text,
  niceId: fc.constantFrom('db_1', '7', 'data base'),
  mode: fc.constantFrom('host', 'cidr', 'http'),
  destination: fc.constantFrom('10.7.7.7', '10.7.0.0/16', 'nas', 'localhost', 'a b'),
  destinationPort: maybe(fc.constantFrom(1, 8080)),
  scheme: maybe(fc.constantFrom('http', 'https')),
  ssl: flag,
  alias: maybe(fc.constantFrom('', 'NAS.lan', '*.nas.lan', 'x')),
  domainId: fc.constant('DOMAIN'),
  subdomain: fc.constantFrom(null, 'Inner', 'b'),
  enabled: flag,
  tcpPortRangeString: fc.constantFrom('*', '', '80, 443', '9-1'),
  udpPortRangeString: fc.constantFrom('*', '53'),
  disableIcmp: flag,
  siteIds: fc.constantFrom('OWN', 'OTHER', 'BOTH'),
});
const filled = (body: Record<string, unknown>) => ({
  ...body,
  ...(body['domainId'] === undefined ? {} : { domainId: ids.domainId }),
  ...(body['siteIds'] === undefined
    ? {}
    : { siteIds: { OWN: [siteId], OTHER: [otherSite], BOTH: [otherSite, siteId] }[body['siteIds'] as 'OWN'] }),
});

const on = (path: () => string, body: fc.Arbitrary<Record<string, unknown>>): fc.Arbitrary<Call> =>
  body.map((one) => ['POST', path, () => filled(one)]);
const web =
  (rest = '') =>
  () =>
    `/resource/${ids.web}${rest}`;
const privately = fc.constantFrom('host' as const, 'cidr' as const, 'inner' as const);
const call: fc.Arbitrary<Call> = fc.oneof(
  { weight: 4, arbitrary: on(web(), changeWeb) },
  on(() => `/resource/${ids.raw}`, changeRaw),
  on(
    web('/whitelist'),
    emails.map((list) => ({ emails: list })),
  ),
  on(
    web('/password'),
    maybe(fc.constant(SECRETS.PASSWORD)).map((password) => ({ password })),
  ),
  on(
    web('/pincode'),
    maybe(fc.constant(SECRETS.PINCODE)).map((pincode) => ({ pincode })),
  ),
  on(
    web('/header-auth'),
    fc.record({
      user: maybe(fc.constantFrom('user', 'a:b', 'u')),
      password: fc.constant(SECRETS.PASSWORD),
      extendedCompatibility: flag,
    }),
  ),
  on(
    web('/roles'),
    flag.map((given) => ({ roleIds: given ? ids.roles.slice(0, 2) : [] })),
  ),
  on(
    web('/users'),
    fc.subarray(['ada', 'bob']).map((userIds) => ({ userIds })),
  ),
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.nat(2), fc.constantFrom('10.0.0.1', 'app_1', 'fe80::1%eth0'), flag, changeTarget)
      .map(
        ([n, ip, moved, body]): Call => [
          'POST',
          () => `/target/${ids.targets[n]}`,
          () => ({ siteId: moved ? otherSite : siteId, ip, ...body }),
        ],
      ),
  },
  fc.nat(2).map((n): Call => ['DELETE', () => `/target/${ids.targets[n]}`]),
  fc.constant<Call>(['PUT', web('/target'), () => ({ siteId, ip: '10.0.0.1', port: 80, method: 'http' })]),
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(1), changeRule)
      .map(([n, body]): Call => ['POST', () => `/resource/${ids.web}/rule/${ids.rules[n]}`, () => body]),
  },
  fc.nat(1).map((n): Call => ['DELETE', () => `/resource/${ids.web}/rule/${ids.rules[n]}`]),
  {
    weight: 4,
    arbitrary: fc
      .tuple(privately, changePrivate)
      .map(([key, body]): Call => ['POST', () => `/site-resource/${ids[key]}`, () => filled(body)]),
  },
  on(
    () => `/site-resource/${ids.host}/roles`,
    flag.map((given) => ({ roleIds: given ? ids.roles.slice(0, 1) : [] })),
  ),
  on(
    () => `/site-resource/${ids.cidr}/users`,
    fc.subarray(['ada', 'bob']).map((userIds) => ({ userIds })),
  ),
);

describe.each(KINDS)('the export of what %s own', (kind) => {
  it('is exact after what an empty value says', async () => {
    await applied(kind);
    await expectExact(kind);
    const change = async (body: object, rest = '') => {
      expect((await app.root.post(`/resource/${ids.web}${rest}`, body)).status).toBeLessThan(300);
      await expectExact(kind);
    };
    await change({ emailWhitelistEnabled: true });
    await change({ emails: ['*@example.com'] }, '/whitelist');
    await change({ setHostHeader: '' });
    await change({ tlsServerName: '' });
    await change({ headers: [{ name: 'X', value: '' }] });
    await change({ emailWhitelistEnabled: false, applyRules: false });
  });

  it(`is exact after any changes by the API (seed ${SEED})`, async () => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 3, maxLength: 8 }), async (calls) => {
        await applied(kind);
        const done: string[] = [];
        for (const [method, path, body] of calls) {
          const { status } = await app.root.send(method, path(), body?.());
          done.push(`${method} ${path()} ${JSON.stringify(body?.())} ${status}`);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          expect(status, done.at(-1)).toBeLessThan(500);
        }
        await expectExact(kind, done);
      }),
      // What was done is told: calls that fail in another order are none to shrink.
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    // Many a change is refused for one field of it.
    expect(statuses.get(200)).toBeGreaterThan(RUNS / 2);
  });
});

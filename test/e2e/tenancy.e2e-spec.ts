import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { FixtureOrg } from '../support/fixture-org.js';
import {
  asExpected,
  type Call,
  type Document,
  type Documented,
  OPERATIONS,
  readDocument,
  rightful,
  send,
  urlOf,
} from '../support/operations.js';
import { startServer, type TestServer } from '../support/server.js';

/** Open to everybody, with what protects what is behind them. */
const PUBLIC = [
  'getHealth',
  'getReadiness',
  'getGreeting', // nothing of any organization in them
  'downloadAgent',
  'downloadAgentHash',
  'downloadAgentVersion',
  'downloadInstaller',
  'login', // password
  'acceptInvite', // the token of an invitation
  'requestEmailCode', // says nothing, and sends to the address that it is about
  'verifyEmail', // a mailed code
  'provisionDevice',
  'registerNewt', // provisioning key in the body
  'getNewtToken',
  'getDeviceToken', // the site's credential
  'getNewtVersion', // answers nothing
];
/** Keys are made by root keys and people (docs/integration-api.md §1.5): an organization's key is refused, whatever it holds. */
const NOT_FOR_ORG_KEYS = [
  'createApiKey',
  'deleteApiKey',
  'getApiKey',
  'listApiKeyActions',
  'listApiKeys',
  'setApiKeyActions',
];
/** Of the whole installation. */
const ROOT_ONLY = [
  'checkOrgId',
  'createOrg',
  'deleteOrg',
  'getAnyUser',
  'listInstallationAudit',
  'listInstallationEvents',
  'listOrgs',
  'listUnattributedClaims',
  'setUserTwoFactor',
  'verifyUser',
];
/** Names of fields that point at something of the organization. */
const REFERENCE =
  /^(siteIds?|domainId|roleIds?|role_id|userIds?|groupIds?|group|templateId|profileId|keyId|hardwareId|targetId|actorId|clientIds?|siteResourceIds)$/;
/** Fields that are no ids of rows (what a device said, who once acted): what is not there is an empty answer. A bulk decision answers per site. */
const NARROWED_BY_REFERENCE = [
  'listAudit actorId',
  'listAudit targetId',
  'listClaims hardwareId',
  'listSites hardwareId',
  'updateApprovals siteIds',
];

let server: TestServer;
let document: Document;
/** Who is asked about, and who must not see or change it. */
let victim: FixtureOrg;
let stranger: FixtureOrg;

beforeAll(async () => {
  server = await startServer({ env: { REFUSALS_PER_MINUTE: '1000000' } });
  document = await readDocument(server.url);
  [victim, stranger] = [await FixtureOrg.open(server), await FixtureOrg.open(server)];
  tables = await tablesOf(victim);
});
afterAll(() => server?.stop());

const scopeOf = (operation: Documented) => operation.scope.split(':')[0] as 'org' | 'root' | 'user' | 'site' | 'public';
const changes = (operation: Documented) => operation.method !== 'GET';

/** Everything that belongs to the organization, and what belongs to nobody, as one hash per table. */
let tables: { name: string; ofOrg: boolean }[];
async function tablesOf(fixture: FixtureOrg): Promise<typeof tables> {
  return fixture.sql(
    `SELECT c.relname AS name, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id') AS "ofOrg"
     FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'server' ORDER BY 1`,
  );
}
async function snapshot(fixture: FixtureOrg): Promise<Record<string, string>> {
  const hashes = tables.map(
    ({ name, ofOrg }) =>
      `SELECT '${name}' AS name, count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') AS hash FROM "${name}" t WHERE ${ofOrg ? 'org_id = $1' : '$1 <> chr(1)'}`,
  );
  const rows = await fixture.sql<{ name: string; hash: string }>(hashes.join(' UNION ALL '), [fixture.orgId]);
  return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]));
}

/** Runs the attack and says in one line each what it got that it should not have. */
async function attack(
  of: (operation: Documented) => boolean,
  run: (operation: Documented, call: Call) => AsyncGenerator<string>,
): Promise<string[]> {
  const problems: string[] = [];
  for (const operation of document.operations.filter(of)) {
    const call = await OPERATIONS[operation.id]!.call(victim);
    const before = await snapshot(victim);
    for await (const problem of run(operation, call)) problems.push(`${operation.id}: ${problem}`);
    const after = await snapshot(victim);
    for (const { name } of tables) if (before[name] !== after[name]) problems.push(`${operation.id}: changed ${name}`);
  }
  return problems;
}

async function* expectStatus(
  operation: Documented,
  call: Call,
  who: string,
  api: Api,
  status: number,
  prefix = '/api/v1/',
): AsyncGenerator<string> {
  const reply = await send(operation, api, urlOf(operation, victim, call).replace('/api/v1/', prefix), call.body);
  if (reply.status !== status) yield `${who} got ${reply.status} instead of ${status}: ${reply.text.slice(0, 200)}`;
  if (reply.status < 300 && reply.text.includes(victim.orgId)) yield `${who} was shown something`;
}

describe('the table of operations', () => {
  it('has an entry for every operation, and only for those', () => {
    expect(Object.keys(OPERATIONS).sort()).toEqual(document.operations.map((operation) => operation.id).sort());
  });

  it('fills every path parameter, and every field that points at something', async () => {
    const problems: string[] = [];
    for (const operation of document.operations) {
      const call = await OPERATIONS[operation.id]!.call(victim);
      if (/\/(\/|\?|$)/.test(urlOf(operation, victim, call).slice(1)))
        problems.push(`${operation.id}: ${urlOf(operation, victim, call)}`);
      const body = document.schemas[operation.body?.$ref?.split('/').at(-1) ?? '']?.properties ?? {};
      const query = operation.parameters
        .filter((parameter) => parameter.in === 'query')
        .map((parameter) => parameter.name);
      const missing = [
        ...Object.keys(body).filter((name) => REFERENCE.test(name) && !(name in (call.body ?? {}))),
        ...(scopeOf(operation) === 'root'
          ? []
          : query.filter((name) => REFERENCE.test(name) && !(name in (call.query ?? {})))),
      ];
      if (missing.length > 0) problems.push(`${operation.id}: ${missing.join(', ')}`);
    }
    expect(problems).toEqual([]);
  });

  it('names what is public, what is of the installation, and what is not for keys of organizations', () => {
    const idsOf = (of: (operation: Documented) => boolean) =>
      document.operations
        .filter(of)
        .map((operation) => operation.id)
        .sort();
    expect(idsOf((operation) => scopeOf(operation) === 'public')).toEqual([...PUBLIC].sort());
    expect(idsOf((operation) => scopeOf(operation) === 'root')).toEqual(ROOT_ONLY);
    expect(idsOf((operation) => OPERATIONS[operation.id]!.by === 'admin')).toEqual(NOT_FOR_ORG_KEYS);
  });
});

describe('with the right credentials', () => {
  it('every operation succeeds, under both prefixes where no cookie is needed', async () => {
    const problems: string[] = [];
    for (const operation of document.operations) {
      for (const prefix of ['/api/v1', '/v1']) {
        const call = await OPERATIONS[operation.id]!.call(victim);
        const api = rightful(operation, victim, call);
        if (prefix === '/v1' && (api.extra['cookie'] !== undefined || !operation.path.startsWith('/api/'))) continue;
        const reply = await send(operation, api, urlOf(operation, victim, call).replace('/api/v1', prefix), call.body);
        if (!asExpected(operation, reply.status))
          problems.push(`${prefix} ${operation.id}: ${reply.status} ${reply.text}`);
      }
    }
    expect(problems).toEqual([]);
  });

  it('an Admin and a root key may do in an organization whatever a key of it may', async () => {
    const problems: string[] = [];
    for (const operation of document.operations.filter((o) => scopeOf(o) === 'org')) {
      for (const [who, api] of [
        ['Admin', victim.callers.admin.api],
        ['root key', victim.root],
      ] as const) {
        const call = await OPERATIONS[operation.id]!.call(victim);
        const reply = await send(operation, api, urlOf(operation, victim, call), call.body);
        if (!asExpected(operation, reply.status))
          problems.push(`${who} ${operation.id}: ${reply.status} ${reply.text}`);
      }
    }
    expect(problems).toEqual([]);
  });
});

describe("with another's credentials", () => {
  it('nothing of an organization is reached, and nothing changes', async () => {
    const { callers } = stranger;
    const own = victim.callers;
    const problems = await attack(
      (operation) => scopeOf(operation) === 'org',
      async function* (operation, call) {
        yield* expectStatus(operation, call, "another organization's key", callers.key, 404);
        yield* expectStatus(operation, call, "another organization's key on /v1", callers.key, 404, '/v1/');
        yield* expectStatus(operation, call, "another organization's Admin", callers.admin.api, 404);
        yield* expectStatus(operation, call, "another organization's site", callers.device, 403);
        yield* expectStatus(operation, call, 'a site of the organization', own.device, 403);
        yield* expectStatus(operation, call, 'a provisioning key of the organization', own.provisioning, 403);
        yield* expectStatus(
          operation,
          call,
          'a provisioning key in X-API-Key',
          new Api(server.url, undefined, { 'x-api-key': victim.key.siteProvisioningKey }),
          403,
        );
        yield* expectStatus(operation, call, 'nobody', new Api(server.url), 401);
        yield* expectStatus(
          operation,
          call,
          'a wrong secret of a right key',
          new Api(server.url, `${own.keyId}.${'x'.repeat(40)}`),
          401,
        );
        yield* expectStatus(operation, call, 'the Admin on /v1, which ignores cookies', own.admin.api, 401, '/v1/');
        if (changes(operation)) {
          const cookieAlone = new Api(server.url, undefined, { cookie: own.admin.api.extra['cookie']! });
          yield* expectStatus(operation, call, 'the Admin without the CSRF header', cookieAlone, 403);
        }
      },
    );
    expect(problems).toEqual([]);
  });

  it('nothing is done without the action for it', async () => {
    const { member, bareKey, key } = victim.callers;
    const memberMay = [
      'getOrg',
      'getResource',
      'listResourceNames',
      'listResources',
      'listResourcesOfSite',
      'listUserResources',
    ];
    const problems = await attack(
      (operation) => scopeOf(operation) === 'org',
      async function* (operation, call) {
        // What one may open oneself needs no action (docs/integration-api.md §1.5).
        if (operation.id !== 'listUserResources')
          yield* expectStatus(operation, call, 'a key without actions', bareKey, 403);
        if (!memberMay.includes(operation.id)) yield* expectStatus(operation, call, 'a Member', member.api, 403);
        if (NOT_FOR_ORG_KEYS.includes(operation.id))
          yield* expectStatus(operation, call, "the organization's own key", key, 403);
      },
    );
    expect(problems).toEqual([]);
  });

  it('nothing of the installation is reached', async () => {
    const problems = await attack(
      (operation) => scopeOf(operation) === 'root',
      async function* (operation, call) {
        // Aimed at the organization itself rather than at one made for this call.
        const aimed = operation.path.includes('{orgId}') ? { ...call, params: { orgId: victim.orgId } } : call;
        const { callers } = victim;
        yield* expectStatus(operation, aimed, "the organization's key", callers.key, 403);
        yield* expectStatus(operation, aimed, 'an Admin', callers.admin.api, 403);
        yield* expectStatus(operation, aimed, 'a Member', callers.member.api, 403);
        yield* expectStatus(operation, aimed, "another organization's key", stranger.callers.key, 403);
        yield* expectStatus(operation, aimed, 'a site', callers.device, 403);
        yield* expectStatus(operation, aimed, 'a provisioning key', callers.provisioning, 403);
        yield* expectStatus(operation, aimed, 'nobody', new Api(server.url), 401);
      },
    );
    expect(problems).toEqual([]);
  });

  it('people and sites speak for themselves only', async () => {
    const { callers, root } = victim;
    const problems = await attack(
      (operation) => ['user', 'site'].includes(scopeOf(operation)),
      async function* (operation, call) {
        const csrf = { 'x-csrf-token': 'x-csrf-protection' };
        yield* expectStatus(operation, call, 'a key', root.as(callers.key.authorization, csrf), 403);
        yield* expectStatus(operation, call, 'a root key', root.as(root.authorization, csrf), 403);
        yield* expectStatus(
          operation,
          call,
          'a provisioning key',
          root.as(callers.provisioning.authorization, csrf),
          403,
        );
        yield* expectStatus(operation, call, 'nobody', root.as(undefined, csrf), 401);
        if (scopeOf(operation) === 'user')
          yield* expectStatus(operation, call, 'a site', root.as(callers.device.authorization, csrf), 403);
        else yield* expectStatus(operation, call, 'an Admin', callers.admin.api, 403);
      },
    );
    expect(problems).toEqual([]);
    expect((await stranger.callers.device.get<never>('/device/self')).text).toContain(stranger.approved.niceId);
  });

  it('no session token is given for what is not a credential of a site', async () => {
    const { key, keyId } = { key: victim.callers.key, keyId: victim.callers.keyId };
    const { newtId } = await victim.newtSite();
    const attempts = [
      await key.post('/auth/device/get-token'),
      await victim.callers.provisioning.post('/auth/device/get-token'),
      await victim.callers.admin.api.post('/auth/device/get-token'),
      await new Api(server.url).post('/auth/newt/get-token', { newtId, secret: 'x'.repeat(48) }),
      await new Api(server.url).post('/auth/newt/get-token', {
        newtId: keyId,
        secret: key.authorization!.split('.')[1],
      }),
    ];
    expect(attempts.map((reply) => reply.status)).toEqual([401, 401, 401, 401, 401]);
  });
});

describe("with the right credentials and another's ids", () => {
  it('a path that names something of another organization leads nowhere', async () => {
    const problems: string[] = [];
    for (const operation of document.operations.filter((o) => scopeOf(o) === 'org')) {
      const theirs = await OPERATIONS[operation.id]!.call(victim);
      const ours = await OPERATIONS[operation.id]!.call(stranger);
      const before = await snapshot(victim);
      for (const [name, value] of Object.entries(theirs.params ?? {})) {
        const mixed = { ...ours, params: { ...ours.params, [name]: value } };
        const callers = [
          ['the right caller', rightful(operation, stranger, ours)],
          ['the Admin', stranger.callers.admin.api],
        ] as const;
        for (const [who, api] of callers) {
          const reply = await send(operation, api, urlOf(operation, stranger, mixed), mixed.body);
          if (reply.status !== 404)
            problems.push(`${operation.id} with ${name} of another: ${who} got ${reply.status} ${reply.text}`);
        }
        if (!operation.path.includes('{orgId}')) continue;
        const reply = await send(operation, stranger.root, urlOf(operation, stranger, mixed), mixed.body);
        if (reply.status !== 404)
          problems.push(`${operation.id} with a path that contradicts itself: ${reply.status} ${reply.text}`);
      }
      const after = await snapshot(victim);
      for (const { name } of tables)
        if (before[name] !== after[name]) problems.push(`${operation.id}: changed ${name}`);
    }
    expect(problems).toEqual([]);
  });

  it('a body or query that names something of another organization finds nothing', async () => {
    const problems: string[] = [];
    const narrowed = new Set<string>();
    for (const operation of document.operations.filter((o) => scopeOf(o) === 'org')) {
      const theirs = await OPERATIONS[operation.id]!.call(victim);
      for (const part of ['body', 'query'] as const) {
        for (const [name, value] of Object.entries(theirs[part] ?? {}).filter(([field]) => REFERENCE.test(field))) {
          const ours = await OPERATIONS[operation.id]!.call(stranger);
          const mixed: Call = { ...ours, [part]: { ...ours[part], [name]: value } };
          const before = await snapshot(victim);
          const reply = await send(
            operation,
            rightful(operation, stranger, ours),
            urlOf(operation, stranger, mixed),
            mixed.body,
          );
          const after = await snapshot(victim);
          if (reply.status < 300) narrowed.add(`${operation.id} ${name}`);
          else if (reply.status !== 404)
            problems.push(`${operation.id} with ${name} of another: ${reply.status} ${reply.text}`);
          if (reply.text.includes(victim.orgId) && name !== 'hardwareId')
            problems.push(`${operation.id} with ${name} of another shows ${reply.text}`);
          // Rows that hang on rows (members of a group) may be of either: those that changed are looked at by their organization.
          for (const table of tables) {
            if (table.ofOrg && before[table.name] !== after[table.name])
              problems.push(`${operation.id} with ${name} of another changed ${table.name}`);
          }
        }
      }
    }
    expect(problems).toEqual([]);
    expect([...narrowed].sort()).toEqual(NARROWED_BY_REFERENCE);
    const [{ mixed } = { mixed: 0 }] = await victim.sql<{ mixed: number }>(MIXED_ROWS);
    expect(mixed).toBe(0);
  });

  it('a decision by filter touches nothing of another organization', async () => {
    const { callers } = stranger;
    for (const filter of [
      { keyId: victim.pendingKey.siteProvisioningKeyId },
      { group: String(victim.groupId) },
      { hardwareId: victim.pending.hardwareId },
    ]) {
      const before = await snapshot(victim);
      const reply = await callers.key.post<{ results: unknown[] }>(stranger.path('approvals'), {
        filter,
        decision: 'approve',
      });
      if ('hardwareId' in filter) expect(reply.body.data).toMatchObject({ results: [], remaining: 0 });
      else expect(reply).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect(await snapshot(victim)).toEqual(before);
    }
    const { body } = await callers.key.post<{ results: { outcome: string }[] }>(stranger.path('approvals'), {
      siteIds: [victim.pending.siteId],
      decision: 'reject',
    });
    expect(body.data.results.map((result) => result.outcome)).toEqual(['not_found']);
  });

  it('lists show the own organization alone', async () => {
    const lists = document.operations.filter(
      (o) => scopeOf(o) === 'org' && o.method === 'GET' && !/\{(?!orgId)/.test(o.path) && o.id !== 'streamEvents',
    );
    expect(lists.length).toBeGreaterThan(12);
    for (const operation of lists) {
      // Without narrowing, unless it must be narrowed.
      const call = operation.parameters.some((parameter) => parameter.in === 'query' && parameter.required)
        ? await OPERATIONS[operation.id]!.call(stranger)
        : {};
      const reply = await send(operation, rightful(operation, stranger, call), urlOf(operation, stranger, call));
      expect(reply.status, operation.id).toBe(200);
      expect(reply.text, operation.id).not.toContain(victim.orgId);
    }
  });
});

/** Rows that tie something of one organization to something of another. */
const MIXED_ROWS = `SELECT
  (SELECT count(*) FROM invitation_role m JOIN invitation i USING (invite_id) JOIN role r USING (role_id) WHERE i.org_id <> r.org_id) +
  (SELECT count(*) FROM site_group_member m JOIN site s USING (site_id) JOIN site_group g USING (group_id) WHERE s.org_id <> g.org_id) +
  (SELECT count(*) FROM provisioning_profile_group m JOIN provisioning_profile p USING (profile_id) JOIN site_group g USING (group_id) WHERE p.org_id <> g.org_id) +
  (SELECT count(*) FROM provisioning_template_group m JOIN provisioning_template t USING (template_id) JOIN site_group g USING (group_id) WHERE t.org_id <> g.org_id) +
  (SELECT count(*) FROM provisioning_template t JOIN provisioning_profile p USING (profile_id) WHERE t.org_id <> p.org_id) +
  (SELECT count(*) FROM provisioning_key k JOIN provisioning_template t USING (template_id) WHERE k.org_id <> t.org_id) +
  (SELECT count(*) FROM resource_role m JOIN role r USING (role_id) JOIN resource p USING (resource_id) WHERE r.org_id <> p.org_id) +
  (SELECT count(*) FROM resource_user m JOIN resource p USING (resource_id) WHERE m.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_site m JOIN site s USING (site_id) JOIN site_resource p USING (site_resource_id) WHERE s.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_role m JOIN role r USING (role_id) JOIN site_resource p USING (site_resource_id) WHERE r.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_user m JOIN site_resource p USING (site_resource_id) WHERE m.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource_client m JOIN client c USING (client_id) JOIN site_resource p USING (site_resource_id) WHERE c.org_id <> p.org_id) +
  (SELECT count(*) FROM site_resource r JOIN domain d USING (domain_id) WHERE r.org_id <> d.org_id) +
  (SELECT count(*) FROM resource r JOIN domain d USING (domain_id) WHERE r.org_id <> d.org_id) +
  (SELECT count(*) FROM target t JOIN site s USING (site_id) JOIN resource r USING (resource_id) WHERE t.org_id <> s.org_id OR t.org_id <> r.org_id) +
  (SELECT count(*) FROM membership_role m JOIN role r USING (role_id) WHERE m.org_id <> r.org_id) +
  (SELECT count(*) FROM site_credential c JOIN site s USING (site_id) WHERE c.org_id <> s.org_id) AS mixed`;

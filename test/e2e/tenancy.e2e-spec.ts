import { describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { asExpected, type Call, type Documented, OPERATIONS, rightful, send, urlOf } from '../support/operations.js';
import {
  document,
  REFERENCE,
  scopeOf,
  server,
  setUpTenancy,
  snapshot,
  stranger,
  tables,
  victim,
} from '../support/tenancy.js';

setUpTenancy();

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
  'requestPasswordReset', // says nothing, and sends to the address that it is about
  'confirmPasswordReset', // the token of a link
  'setUp', // the token of a link
  'provisionDevice',
  'registerNewt', // provisioning key in the body
  'getNewtToken',
  'getDeviceToken', // the site's credential
  'getNewtVersion', // answers nothing
  'getRevocationList',
  'getEstCaCertificates', // what strangers are shown of certificates
  'getEstCaCertificatesByKey',
  'enrolByEst',
  'enrolByEstAt', // provisioning key in Authorization: Basic
];
/** Keys are made, and organizations closed, by root keys and people (docs/integration-api.md §1.5): an organization's key is refused, whatever it holds. */
const NOT_FOR_ORG_KEYS = [
  'closeOrg',
  'createApiKey',
  'deleteApiKey',
  'exportOrg',
  'getApiKey',
  'listActionHolders',
  'listApiKeyActions',
  'listApiKeys',
  'reopenOrg',
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
  'listUnattributedClaims',
  'setUserTwoFactor',
  'verifyUser',
];
const changes = (operation: Documented) => operation.method !== 'GET';
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
  const reply = await send(
    operation,
    api,
    urlOf(operation, victim, call).replace('/api/v1/', prefix),
    call.text ?? call.body,
  );
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
      const { call: first, others = [] } = OPERATIONS[operation.id]!;
      const call = await first(victim);
      const calls = [call, ...(await Promise.all(others.map((other) => other(victim))))];
      if (/\/(\/|\?|$)/.test(urlOf(operation, victim, call).slice(1)))
        problems.push(`${operation.id}: ${urlOf(operation, victim, call)}`);
      const body = document.schemas[operation.body?.$ref?.split('/').at(-1) ?? '']?.properties ?? {};
      const query = operation.parameters
        .filter((parameter) => parameter.in === 'query')
        .map((parameter) => parameter.name);
      const missing = [
        ...Object.keys(body).filter((name) => REFERENCE.test(name) && !calls.some((one) => name in (one.body ?? {}))),
        ...(scopeOf(operation) === 'root'
          ? []
          : query.filter((name) => REFERENCE.test(name) && !calls.some((one) => name in (one.query ?? {})))),
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
        const reply = await send(
          operation,
          api,
          urlOf(operation, victim, call).replace('/api/v1', prefix),
          call.text ?? call.body,
        );
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
        const reply = await send(operation, api, urlOf(operation, victim, call), call.text ?? call.body);
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
      'getResourceOfOrg',
      'listActionHolders',
      'listCertificateAuthorities',
      'listMyActions',
      'listResourceNames',
      'listResources',
      'listResourcesOfSite',
      'listSigningKeys',
      'listUserResources',
    ];
    const problems = await attack(
      (operation) => scopeOf(operation) === 'org',
      async function* (operation, call) {
        // What one may open, and do, oneself needs no action (docs/integration-api.md §1.5).
        if (!['listMyActions', 'listUserResources'].includes(operation.id))
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
        const refused = OPERATIONS[operation.id]!.refusesAlike ? 401 : 403;
        const csrf = { 'x-csrf-token': 'x-csrf-protection' };
        yield* expectStatus(operation, call, 'a key', root.as(callers.key.authorization, csrf), refused);
        yield* expectStatus(operation, call, 'a root key', root.as(root.authorization, csrf), refused);
        yield* expectStatus(
          operation,
          call,
          'a provisioning key',
          root.as(callers.provisioning.authorization, csrf),
          refused,
        );
        yield* expectStatus(operation, call, 'nobody', root.as(undefined, csrf), 401);
        if (scopeOf(operation) === 'user')
          yield* expectStatus(operation, call, 'a site', root.as(callers.device.authorization, csrf), refused);
        else yield* expectStatus(operation, call, 'an Admin', callers.admin.api, refused);
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

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccessLog } from '../../src/edge/logs/access-log.js';
import { RequestLog } from '../../src/edge/logs/request-log.js';
import { newHardwareId, provision, type TestKey } from '../support/api.js';
import { ApiContract, type ApiDocument } from '../support/openapi.js';
import { loginEntry, requestEntry } from '../support/request-entries.js';
import { secretValue } from '../support/secret-values.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

const contract = new ApiContract(
  JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as ApiDocument,
);
/** What the tests below have exported. */
const seen = new Set<string>();

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

async function makeOrg(): Promise<{ orgId: string; put: <T>(path: string, body: object) => Promise<T> }> {
  const orgId = `o${randomUUID().slice(0, 8)}`;
  await app.makeOrg(orgId);
  return { orgId, put: (path, body) => app.root.expect('PUT', `/org/${orgId}/${path}`, body) };
}

const clientDefaults = async (orgId: string) => {
  const { olmId, olmSecret, subnet } = await app.root.expect<{ olmId: string; olmSecret: string; subnet: string }>(
    'GET',
    `/org/${orgId}/pick-client-defaults`,
  );
  return { type: 'olm', olmId, secret: olmSecret, subnet };
};

async function exported(path: string, format: 'csv' | 'jsonl'): Promise<string> {
  const url = `/api/v1${path}`;
  const answer = await fetch(`${app.root.url}${url}${path.includes('?') ? '&' : '?'}format=${format}`, {
    headers: { authorization: `Bearer ${app.root.authorization}` },
  });
  expect(answer.status, path).toBe(200);
  seen.add(contract.find('GET', url)!.operationId);
  return answer.text();
}

/** The same for the same fields, whatever their order. */
const textOf = (row: object): string =>
  JSON.stringify(row, (_, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );

/** Exports a list in both formats: the rows of its pages, each once, with their fields as columns. @returns them, and as CSV */
async function expectRows(path: string, rows: object[] | undefined, n: number | undefined) {
  const lines = (await exported(path, 'jsonl'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const texts = new Set(lines.map(textOf));
  expect(texts.size, path).toBe(lines.length);
  if (n !== undefined || rows) expect(lines, path).toHaveLength(n ?? rows!.length);
  expect(rows?.filter((row) => !texts.has(textOf(row))) ?? [], path).toEqual([]);
  const csv = await exported(path, 'csv');
  const fields = new Set(lines.flatMap((line) => Object.keys(line)));
  if (lines.length > 0) expect(new Set(csv.split('\r\n')[0]!.split(',')), path).toEqual(fields);
  // No cell is a formula.
  expect(csv, path).not.toMatch(/(^|,|\n)"?[=+@]/);
  return { lines, csv };
}

/** The same of a list by its page. */
async function expectList(path: string, list: string, n?: number) {
  const page = await app.root.expect<Record<string, object[]>>('GET', path);
  return expectRows(path, list === 'results' ? undefined : page[list]!, n);
}

it('every list of an organization is exported as its pages have it', async () => {
  const { orgId, put: expectPut } = await makeOrg();
  const [member] = await app.sql<{ id: number }>(
    `SELECT role_id AS id FROM role WHERE org_id = $1 AND name = 'Member'`,
    [orgId],
  );
  for (const name of ['=1+1', 'b', 'c']) {
    const { siteId } = await expectPut<{ siteId: number }>('site', { name, type: 'newt' });
    const kind = { name, http: false, protocol: 'tcp', proxyPort: 9000 + siteId };
    const { resourceId } = await expectPut<{ resourceId: number }>('resource', kind);
    await app.root.expect('PUT', `/resource/${resourceId}/target`, { siteId, ip: '127.0.0.1', port: 80 });
    const key = await expectPut<TestKey>('site-provisioning-key', { name, maxBatchSize: null });
    await provision(app.root.url, { provision_key: key.siteProvisioningKey });
    await expectPut('site-resource', { name, mode: 'host', destination: '10.0.0.7', siteIds: [siteId] });
    await expectPut('client', { name, ...(await clientDefaults(orgId)) });
    for (const path of ['group', 'api-key', 'role', 'provisioning-profile', 'provisioning-template'])
      await expectPut(path, { name: `${name} of many` });
    await expectPut('domain', { type: 'wildcard', baseDomain: `d${siteId}.example.com` });
    const invite = { email: `i${siteId}@x.example`, validHours: 24, roleId: member!.id };
    await app.root.expect('POST', `/org/${orgId}/create-invite`, invite);
  }
  const pending = await expectPut<TestKey>('site-provisioning-key', {
    name: 'pending',
    approveNewSites: false,
    maxBatchSize: null,
  });
  for (let i = 0; i < 2; i++)
    await provision(app.root.url, { provision_key: pending.siteProvisioningKey, hardware_id: newHardwareId() });
  const [web] = await app.sql<{ id: number }>('SELECT resource_id AS id FROM resource WHERE org_id = $1 LIMIT 1', [
    orgId,
  ]);
  for (const name of ['ONE', 'TWO']) {
    await expectPut('secret', { name, value: secretValue() });
    await app.root.expect('POST', `/resource/${web!.id}/access-token`, { title: name });
  }
  await app.root.expect('POST', `/org/${orgId}/approvals`, { filter: { status: 'pending' }, decision: 'reject' });
  const admin = await app.sql<{ userId: string }>(
    `INSERT INTO "user" (user_id, email, username, password_hash) VALUES ($1, $1 || '@x.example', $1, 'x') RETURNING user_id AS "userId"`,
    [randomUUID()],
  );
  await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, admin[0]!.userId]);
  const [job] = await app.sql<{ jobId: number }>(
    `INSERT INTO job (org_id, kind, input, status, finished_at, created_by_kind, created_by_name) VALUES ($1, 'k', '{}', 'succeeded', now(), 'system', 's') RETURNING job_id AS "jobId"`,
    [orgId],
  );
  await app.sql(
    `INSERT INTO job_item (job_id, item, outcome, failed) SELECT $1, i, 'ok', false FROM generate_series(1, 3) i`,
    [job!.jobId],
  );
  await app.root.expect('POST', `/org/${orgId}`, { settingsLogRetentionDaysAccess: 7 });
  const visit = { orgId, resourceId: web!.id, userAgent: '=1+1' };
  for (const path of ['/a', '/b']) app.get(RequestLog).record(requestEntry({ ...visit, path }));
  app.get(AccessLog).record(loginEntry(visit));
  for (const [path, n] of [
    ['request', 2],
    ['access', 1],
  ] as const)
    await until(
      async () => (await app.root.expect<{ log: object[] }>('GET', `/org/${orgId}/logs/${path}`)).log.length === n,
    );
  await until(async () => (await app.root.expect<{ events: [] }>('GET', `/org/${orgId}/events`)).events.length > 14);
  for (const [path, list, rows] of [
    ['sites', 'sites', 6],
    ['resources', 'resources', 3],
    ['site-resources', 'siteResources', 3],
    ['site-provisioning-keys', 'siteProvisioningKeys', 4],
    ['claims', 'claims', 5],
    ['users', 'users', 1],
    ['clients', 'clients', 3],
    ['user-devices', 'devices', undefined],
    ['groups', 'groups', 3],
    ['api-keys', 'apiKeys', 3],
    ['roles', 'roles', 8],
    ['provisioning-profiles', 'provisioningProfiles', 3],
    ['provisioning-templates', 'provisioningTemplates', 4],
    ['domains', 'domains', undefined],
    ['invitations', 'invitations', 3],
    ['tombstones', 'tombstones', 2],
    ['rejections', 'rejections', 2],
    ['blueprints', 'blueprints', undefined],
    ['bundles', 'bundles', undefined],
    ['secrets', 'secrets', 2],
    ['access-tokens', 'accessTokens', 2],
    ['jobs', 'jobs', 1],
    ['audit', 'audit', undefined],
    ['events', 'events', undefined],
    ['logs/request', 'log', 2],
    ['logs/access', 'log', 1],
    [`jobs/${job!.jobId}`, 'results', 3],
  ] as const) {
    const { csv } = await expectList(`/org/${orgId}/${path}`, list, rows);
    if (path === 'sites') expect(csv).toContain("'=1+1");
  }
  await expectList(`/resource/${web!.id}/access-tokens`, 'accessTokens', 2);
  const [site] = await app.sql<{ id: number }>('SELECT site_id AS id FROM target WHERE org_id = $1 LIMIT 1', [orgId]);
  await expectList(`/site/${site!.id}/sessions`, 'sessions', 0);
  await expectList(`/site/${site!.id}/resources`, 'resources', 1);
});

it('so are the lists of one resource: its targets, rules, grants and names', async () => {
  const { orgId, put } = await makeOrg();
  const roleIds: number[] = [];
  for (const name of ['=HYPERLINK("http://evil.example")', '@b']) {
    const { roleId } = await put<{ roleId: number }>('role', { name });
    roleIds.push(roleId);
  }
  const userIds = [randomUUID(), randomUUID()];
  await app.sql(
    `INSERT INTO "user" (user_id, email, username, password_hash) SELECT id, '+' || id || '@x.example', id, 'x' FROM unnest($1::text[]) AS id`,
    [userIds],
  );
  await app.sql('INSERT INTO membership (org_id, user_id) SELECT $1, unnest($2::text[])', [orgId, userIds]);
  await app.sql('INSERT INTO membership_role (org_id, user_id, role_id) SELECT $1, unnest($2::text[]), $3', [
    orgId,
    userIds,
    roleIds[0],
  ]);
  await expectList(`/role/${roleIds[0]}/users`, 'users', 2);

  const { siteId } = await put<{ siteId: number }>('site', { name: '-s', type: 'newt' });
  const { domainId } = await put<{ domainId: string }>('domain', {
    type: 'wildcard',
    baseDomain: `${orgId}.example.com`,
  });
  const kind = { http: true, protocol: 'tcp', domainId, subdomain: 'a' };
  const { resourceId } = await put<{ resourceId: number }>('resource', { name: '=r', ...kind });
  const open = (rest: string) => `/resource/${resourceId}/${rest}`;
  for (const port of [80, 81]) await app.root.expect('PUT', open('target'), { siteId, ip: '127.0.0.1', port });
  for (const priority of [2, 1])
    await app.root.expect('PUT', open('rule'), { action: 'DROP', match: 'PATH', value: '/x', priority });
  await app.root.expect('POST', open('roles'), { roleIds });
  await app.root.expect('POST', open('users'), { userIds });
  await app.root.expect('POST', `/resource/${resourceId}`, { emailWhitelistEnabled: true });
  await app.root.expect('POST', open('whitelist'), { emails: ['b@x.example', 'a@x.example'] });
  await expectList(open('targets'), 'targets', 2);
  await expectList(open('rules'), 'rules', 2);
  // The Admin role is one of them.
  expect((await expectList(open('roles'), 'roles', 3)).csv).toContain(`"'=HYPERLINK(""http://evil.example"")"`);
  await expectList(open('users'), 'users', 2);
  await expectList(open('whitelist'), 'whitelist', 2);
  const names = `/org/${orgId}/resource-names`;
  await expectRows(names, await app.root.expect<object[]>('GET', names), 1);

  const clientIds: number[] = [];
  for (const name of ['=c', 'd']) {
    const { clientId } = await put<{ clientId: number }>('client', { name, ...(await clientDefaults(orgId)) });
    clientIds.push(clientId);
  }
  const closed = { name: 'p', mode: 'host', destination: '10.0.0.7', siteIds: [siteId], roleIds, userIds, clientIds };
  const { siteResourceId } = await put<{ siteResourceId: number }>('site-resource', closed);
  for (const [list, n] of [
    ['roles', 3],
    ['users', 2],
    ['clients', 2],
  ] as const)
    await expectList(`/site-resource/${siteResourceId}/${list}`, list, n);
});

describe('of lists that are longer than what is read at once', () => {
  const N = 1201;

  it('each rollout and rotation is there, from the newest back', async () => {
    const { orgId } = await makeOrg();
    const settings = { perMinute: null, stopAtFailurePercent: 5 };
    const change = { kind: 'bootstrap', profileId: 1, revision: 1 };
    for (const [kind, input, path, list] of [
      ['bundles.rollout', { ...settings, canary: 0, change }, 'rollouts', 'rollouts'],
      [
        'credentials.rotate',
        { ...settings, filter: { query: '=1' }, upTo: 0, overlapSeconds: 0 },
        'credential-rotations',
        'rotations',
      ],
    ] as const) {
      await app.sql(
        `INSERT INTO job (org_id, kind, input, total, status, finished_at, created_by_kind, created_by_name)
         SELECT $1, $2, $3, 0, 'succeeded', now(), 'system', 's' FROM generate_series(1, ${N})`,
        [orgId, kind, JSON.stringify(input)],
      );
      const { lines } = await expectList(`/org/${orgId}/${path}`, list, N);
      const ids = lines.map(({ jobId }) => jobId as number);
      expect(ids).toEqual(ids.toSorted((a, b) => b - a));
    }
  });

  it('each sum of refusals is there, and those of one key alone', async () => {
    const { orgId } = await makeOrg();
    await app.sql(
      `INSERT INTO key_refusal (org_uid, key_id, reason, count, told, last_address)
       SELECT org_uid, 'k' || i / 3, 'r' || i % 3, i, i, '192.0.2.1' FROM org, generate_series(1, ${N}) i WHERE org_id = $1`,
      [orgId],
    );
    await expectList(`/org/${orgId}/claims/refusals`, 'refusals', N);
    await expectList(`/org/${orgId}/claims/refusals?keyId=k7`, 'refusals', 3);
  });

  it('each device that a key expects is there, and each that is missing', async () => {
    const { orgId, put } = await makeOrg();
    const key = await put<TestKey>('site-provisioning-key', { name: 'k', maxBatchSize: null });
    const path = `/org/${orgId}/site-provisioning-key/${key.siteProvisioningKeyId}`;
    const hardwareIds = Array.from({ length: N }, (_, i) => `press-${i}`);
    await app.root.expect('PUT', `${path}/expected`, { hardwareIds });
    await provision(app.root.url, { provision_key: key.siteProvisioningKey, hardware_id: 'press-700' });
    await expectRows(
      `${path}/expected`,
      hardwareIds.map((hardwareId) => ({ hardwareId })),
      N,
    );
    const { missing } = await app.root.expect<{ missing: { devices: object[] } }>('GET', `${path}/rollout`);
    const { lines } = await expectRows(`${path}/rollout`, missing.devices, N - 1);
    expect(lines.map(({ hardwareId }) => hardwareId)).not.toContain('press-700');
    const without = await put<TestKey>('site-provisioning-key', { name: 'other', maxBatchSize: null });
    await expectRows(`/org/${orgId}/site-provisioning-key/${without.siteProvisioningKeyId}/rollout`, [], 0);
  });

  it('each thing that ends is there, kind by kind, and of kinds that the caller may read alone', async () => {
    const { orgId, put } = await makeOrg();
    await app.sql(
      `INSERT INTO api_key (api_key_id, org_id, name, secret_hash, last_chars, expires_at)
       SELECT 'e' || $1 || i, $1, '=k' || i, decode(md5($1 || i), 'hex'), 'abcd', now() + interval '1 day' FROM generate_series(1, ${N}) i`,
      [orgId],
    );
    const [member] = await app.sql<{ id: number }>(
      `SELECT role_id AS id FROM role WHERE org_id = $1 AND name = 'Member'`,
      [orgId],
    );
    for (const name of ['a', 'b']) {
      const invite = { email: `${name}@x.example`, validHours: 24, roleId: member!.id };
      await app.root.expect('POST', `/org/${orgId}/create-invite`, invite);
      await put('site-provisioning-key', {
        name,
        maxBatchSize: null,
        validUntil: new Date(Date.now() + 3600_000).toISOString(),
      });
    }
    const path = `/org/${orgId}/expiring`;
    const { lines } = await expectList(`${path}?within=2d`, 'items', N + 4);
    expect(lines.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1])).toEqual([
      'site_provisioning_key',
      'api_key',
      'invitation',
    ]);
    await expectList(`${path}?within=2d&kind=invitation`, 'items', 2);
    await expectList(`${path}?within=2h`, 'items', 2);
    const reader = await app.orgKey(orgId, 'listSites', 'listApiKeys', 'listInvitations');
    const own = await fetch(`${app.root.url}/api/v1${path}?within=2d&format=csv`, {
      headers: { authorization: `Bearer ${reader.authorization}` },
    });
    expect((await own.text()).trimEnd().split('\r\n')).toHaveLength(3);
  });

  it('each address range, replacement and revision is there', async () => {
    const { orgId, put } = await makeOrg();
    await put('address-range', { cidr: '100.88.0.0/24' });
    await expectList(`/org/${orgId}/address-ranges`, 'addressRanges', 2);
    const path = `/org/${orgId}/site-replacements`;
    const ids: number[] = [];
    for (const name of ['=a', 'b']) {
      const { siteId } = await put<{ siteId: number }>('site', { name, type: 'newt' });
      ids.push(siteId);
    }
    await app.sql(
      `INSERT INTO site_replacement (site_id, org_id, hardware_id, expires_at, asked_by) SELECT id, $1, 'h' || id, now() + interval '1 hour', 's' FROM unnest($2::bigint[]) AS id`,
      [orgId, ids],
    );
    await expectList(path, 'replacements', 2);
    await expectList(`${path}?siteId=${ids[1]}`, 'replacements', 1);
    const { profileId } = await put<{ profileId: number }>('provisioning-profile', { name: 'p' });
    await app.sql(
      `INSERT INTO bootstrap_revision (profile_id, revision, org_id, document, created_by) SELECT $1, i, $2, '', 's' FROM generate_series(1, ${N}) i`,
      [profileId, orgId],
    );
    await app.sql(
      'INSERT INTO bootstrap (profile_id, org_id, current_revision, settled_revision) VALUES ($1, $2, 7, 7)',
      [profileId, orgId],
    );
    const revisions = `/org/${orgId}/provisioning-profile/${profileId}/bootstrap/revisions`;
    const { lines } = await expectList(revisions, 'revisions', N);
    expect(lines.filter(({ current }) => current).map(({ revision }) => revision)).toEqual([7]);
  });
});

describe('the export of organizations', () => {
  it('has all of them for a root key, and for others their own', async () => {
    const { orgId } = await makeOrg();
    await app.sql(`UPDATE org SET name = '=1+1' WHERE org_id = $1`, [orgId]);
    const { csv } = await expectList('/orgs', 'orgs');
    expect(csv).toContain("'=1+1");
    const key = await app.orgKey(orgId, 'getOrg');
    const own = await fetch(`${app.root.url}/api/v1/orgs?format=jsonl`, {
      headers: { authorization: `Bearer ${key.authorization}` },
    });
    expect(own.headers.get('content-disposition')).toContain('filename="installation-organizations-');
    const lines = (await own.text()).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { orgId: string }).orgId)).toEqual([orgId]);
  });
});

it('no list that the document says is exported is missing here', async () => {
  for (const path of ['audit', 'events', 'claims']) await exported(`/${path}`, 'csv');
  const documented = contract.operations
    .filter(({ parameters }) => parameters?.some(({ name, in: place }) => name === 'format' && place === 'query'))
    .map(({ operationId }) => operationId);
  expect(documented.filter((operationId) => !seen.has(operationId))).toEqual([]);
});

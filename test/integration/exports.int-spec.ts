import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditRepository } from '../../src/audit/audit.repository.js';
import { type Api, provision, type TestKey } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: { orgId: string; api: Api };
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  const orgId = `o${randomUUID().slice(0, 8)}`;
  await app.makeOrg(orgId);
  org = { orgId, api: await app.orgKey(orgId, 'listAudit') };
});

const open = (path: string, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  fetch(`${app.root.url}/api/v1/org/${org.orgId}/${path}`, {
    headers: { authorization: `Bearer ${org.api.authorization}`, ...headers },
    ...(signal ? { signal } : {}),
  });
/** Rows of the audit, each with so many bytes. */
const fill = (n: number, bytes = 10, action = 'site.approve') =>
  app.sql(
    `INSERT INTO audit (org_id, org_uid, actor_type, action, details)
     SELECT org_id, org_uid, 'system', $2, jsonb_build_object('pad', repeat('x', $4)) FROM org, generate_series(1, $3::int) WHERE org_id = $1`,
    [org.orgId, action, n, bytes],
  );

describe('every list that is exported', () => {
  it('has the fields of its rows as columns, and each row once', async () => {
    const { orgId } = org;
    const expectPut = <T>(path: string, body: object) => app.root.expect<T>('PUT', `/org/${orgId}/${path}`, body);
    for (const name of ['=1+1', 'b', 'c']) {
      const { siteId } = await expectPut<{ siteId: number }>('site', { name, type: 'newt' });
      const kind = { name, http: false, protocol: 'tcp', proxyPort: 9000 + siteId };
      const { resourceId } = await expectPut<{ resourceId: number }>('resource', kind);
      await app.root.expect('PUT', `/resource/${resourceId}/target`, { siteId, ip: '127.0.0.1', port: 80 });
      const key = await expectPut<TestKey>('site-provisioning-key', { name, maxBatchSize: null });
      await provision(app.root.url, { provision_key: key.siteProvisioningKey });
    }
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
    await until(async () => (await app.root.expect<{ events: [] }>('GET', `/org/${orgId}/events`)).events.length > 14);
    for (const [path, list, rows] of [
      ['sites', 'sites', 6],
      ['resources', 'resources', 3],
      ['site-provisioning-keys', 'siteProvisioningKeys', 3],
      ['claims', 'claims', 3],
      ['users', 'users', 1],
      ['audit', 'audit', undefined],
      ['events', 'events', undefined],
      [`jobs/${job!.jobId}`, 'results', 3],
    ] as const) {
      const of = (format: string) =>
        fetch(`${app.root.url}/api/v1/org/${orgId}/${path}?format=${format}`, {
          headers: { authorization: `Bearer ${app.root.authorization}` },
        }).then((answer) => answer.text());
      const paged = await app.root.expect<Record<string, object[]>>('GET', `/org/${orgId}/${path}`);
      const lines = (await of('jsonl'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object);
      expect(lines, path).toHaveLength(rows ?? paged[list]!.length);
      if (list !== 'results') expect(lines, path).toEqual(expect.arrayContaining(paged[list]!));
      const csv = await of('csv');
      const fields = new Set(lines.flatMap((line) => Object.keys(line)));
      expect(new Set(csv.split('\r\n')[0]!.split(',')), path).toEqual(fields);
      if (path === 'sites') expect(csv).toContain("'=1+1");
    }
  });
});

describe('an export', () => {
  it('has all that its filters let through and nothing of others, once, in the order of the list', async () => {
    await fill(1234);
    await fill(20, 10, 'site.reject');
    const rows = await app.sql<{ id: number }>(
      `SELECT audit_id AS id FROM audit WHERE org_id = $1 AND action = 'site.approve' ORDER BY audit_id DESC`,
      [org.orgId],
    );
    const answer = await open('audit?action=site.approve&format=jsonl');
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    expect(answer.headers.get('content-disposition')).toContain(`filename="${org.orgId}-audit-`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const lines = (await answer.text()).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { auditId: number }).auditId)).toEqual(rows.map((row) => row.id));
    expect(rows).toHaveLength(1234);
  });

  it('is asked for by Accept as well, and is a list of the same fields as JSON', async () => {
    await fill(3);
    const csv = await (await open('audit', { accept: 'text/csv' })).text();
    const [head, ...rows] = csv.trimEnd().split('\r\n');
    const list = (await (await open('audit', { accept: '*/*' })).json()) as { data: { audit: object[] } };
    const { audit } = list.data;
    expect(head!.split(',').sort()).toEqual(Object.keys(audit[0]!).sort());
    expect(rows).toHaveLength(audit.length);
  });

  it.each([
    ['audit?format=xml', 'format'],
    ['audit?format=csv&format=csv', 'format'],
    ['audit?format=csv&limit=5', 'limit'],
    ['audit?format=csv&page=1&pageSize=5', 'page'],
    ['audit?format=csv&result=none', 'result'],
  ])('refuses %s, naming the field', async (path, field) => {
    const answer = await open(path);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { fields: { path: string }[] }).fields.map((f) => f.path)).toContain(field);
  });

  it('is refused by a list that has none', async () => {
    const answer = await fetch(`${app.root.url}/api/v1/orgs?format=csv`, {
      headers: { authorization: `Bearer ${app.root.authorization}` },
    });
    expect(answer.status).toBe(400);
  });

  it('ends when its caller goes, and reads no further than that one took', async () => {
    await fill(20_000, 5000);
    const reads = vi.spyOn(AuditRepository.prototype, 'before');
    const callers = Array.from({ length: 3 }, () => new AbortController());
    const answers = await Promise.all(callers.map(({ signal }) => open('audit?format=csv', {}, signal)));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    const fourth = await open('audit?format=csv');
    expect(fourth.status).toBe(429);
    expect(fourth.headers.get('retry-after')).toBe('10');
    expect((await open('audit?limit=1')).status).toBe(200);
    callers[0]!.abort();
    await until(async () => (await open('audit?format=csv&action=none')).status === 200);
    // A hundred megabytes each, of which the sockets hold a few.
    expect(reads.mock.calls.length).toBeLessThan(60);
    for (const caller of callers) caller.abort();
    reads.mockRestore();
  });
});

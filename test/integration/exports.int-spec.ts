import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ACTIONS, type Action } from '#contracts';
import type { Principal } from '#platform';
import { AuditRepository } from '../../src/audit/audit.repository.js';
import { OrgExportService } from '../../src/orgs/org-export.service.js';
import type { Api } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

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

const linesOf = <T>(text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
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

describe('the export of an organization', () => {
  interface Line {
    list?: string;
    row?: Record<string, unknown>;
    end?: Record<string, number>;
  }

  it('has every row of every list once, begins with the organization, and ends with how many there were', async () => {
    const { orgId } = org;
    await fill(1234);
    const { siteId } = await app.root.expect<{ siteId: number }>('PUT', `/org/${orgId}/site`, {
      name: 's',
      type: 'newt',
    });
    await app.root.expect('PUT', `/org/${orgId}/api-key`, { name: 'k' });
    // Another organization has some of each too.
    const other = `o${randomUUID().slice(0, 8)}`;
    await app.makeOrg(other);
    await app.root.expect('PUT', `/org/${other}/site`, { name: 'theirs', type: 'newt' });
    await app.root.expect('POST', `/org/${orgId}/close`);
    const answer = await fetch(`${app.root.url}/api/v1/org/${orgId}/export`, {
      headers: { authorization: `Bearer ${app.root.authorization}` },
    });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    expect(answer.headers.get('content-disposition')).toContain(`filename="${orgId}-organization-`);
    const lines = linesOf<Line>(await answer.text());
    const { org: read } = await app.root.expect<{ org: object }>('GET', `/org/${orgId}`);
    expect(lines[0]).toEqual({ list: 'organization', row: read });
    const { end } = lines.at(-1)!;
    const rows = lines.slice(1, -1);
    const counted: Record<string, number> = Object.fromEntries(Object.keys(end!).map((list) => [list, 0]));
    for (const { list } of rows) counted[list!]!++;
    expect(end).toEqual(counted);
    expect(end).toMatchObject({ sites: 1, apiKeys: 2, roles: 5, jobs: 0, provisioningTemplates: 1 });
    expect(end!['audit']).toBeGreaterThan(1234);
    expect(rows.filter(({ list }) => list === 'sites').map(({ row }) => row!['siteId'])).toEqual([siteId]);
    expect(JSON.stringify(lines)).not.toContain(other);
  });

  it('takes the action of every list, and is for people and root keys', async () => {
    const { orgId } = org;
    const all = await app.orgKey(orgId, ...ACTIONS.filter((action) => action.startsWith('list')), 'getOrg');
    expect((await all.get(`/org/${orgId}/export`)).status).toBe(403);
    const person: Principal = {
      ...operator,
      kind: 'user',
      id: 'u',
      authority: {
        kind: 'user',
        serverAdmin: false,
        memberships: new Map([[orgId, new Set<Action>(['getOrg', 'listSites', 'listAudit'])]]),
      },
    };
    await expect(app.get(OrgExportService).start(person, orgId)).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringMatching(/listApiKeys.*listClaims.*listUsers/),
    });
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
    const answer = await fetch(`${app.root.url}/api/v1/org/${org.orgId}/signing-keys?format=csv`, {
      headers: { authorization: `Bearer ${app.root.authorization}` },
    });
    expect(answer.status).toBe(400);
  });

  it('is of events by the identity of their organization as well', async () => {
    const [made] = await app.sql<{ orgUid: string }>(
      `WITH made AS (INSERT INTO event (org_id, org_uid, type, data)
         SELECT org_id, org_uid, 'org.updated', jsonb_build_object('n', i) FROM org, generate_series(1, 700) i WHERE org_id = $1)
       SELECT org_uid AS "orgUid" FROM org WHERE org_id = $1`,
      [org.orgId],
    );
    const authorization = `Bearer ${app.root.authorization}`;
    const lines = await until(async () => {
      const answer = await fetch(`${app.root.url}/api/v1/events?orgUid=${made!.orgUid}&type=org.updated&format=jsonl`, {
        headers: { authorization },
      });
      const all = linesOf<{ data: { n: number } }>(await answer.text());
      return all.length >= 700 && all;
    });
    expect(lines.map(({ data }) => data.n)).toEqual(Array.from({ length: 700 }, (_, i) => i + 1));
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

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blueprintCalls, domainOf, type Site, web } from '../support/blueprint-calls.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
const { org, site, suspend, approve, send, apply, planOf } = blueprintCalls(() => app);

describe('drift', () => {
  const person = (orgId: string) => `ops@${orgId}.example`;
  /** A person of the organization, and two of its roles. */
  const people = async (orgId: string) => {
    await app.sql(`INSERT INTO "user" (user_id, username, email, password_hash) VALUES ($1, $1, $1, 'x')`, [
      person(orgId),
    ]);
    await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, person(orgId)]);
  };
  const all = (orgId: string) => ({
    'public-resources': {
      web: {
        name: 'Web',
        mode: 'http',
        'full-domain': domainOf(orgId, 'web'),
        targets: [
          { method: 'http', hostname: '127.0.0.1', port: 8080 },
          { method: 'http', hostname: '127.0.0.1', port: 8081 },
        ],
        rules: [{ action: 'deny', match: 'cidr', value: '10.0.0.0/8' }],
        auth: {
          password: 'hunter22',
          'sso-enabled': true,
          'sso-roles': ['Ops'],
          'sso-users': [person(orgId)],
          'whitelist-users': ['a@b.org'],
        },
      },
    },
    'private-resources': {
      db: { name: 'DB', mode: 'host', destination: '10.0.0.9', roles: ['Ops'], users: [person(orgId)] },
    },
  });
  interface Drift {
    field: string;
    file: unknown;
    current: unknown;
  }
  const driftOf = async (path: string) => (await app.root.expect<{ drift: Drift[] }>('GET', path)).drift;
  const ids = async (orgId: string) =>
    (
      await app.sql<{ web: number; db: number; targets: number[]; rule: number }>(
        `SELECT r.resource_id AS web, p.site_resource_id AS db, ARRAY(SELECT target_id::int FROM target t WHERE t.resource_id = r.resource_id ORDER BY 1) AS targets, u.rule_id AS rule
       FROM resource r JOIN site_resource p USING (org_id) JOIN resource_rule u USING (resource_id) WHERE r.org_id = $1`,
        [orgId],
      )
    )[0]!;
  const edits = async (orgId: string, { siteId }: Site) => {
    const { web: r, db, targets, rule } = await ids(orgId);
    const { olmId, olmSecret, subnet } = await app.root.expect<{ olmId: string; olmSecret: string; subnet: string }>(
      'GET',
      `/org/${orgId}/pick-client-defaults`,
    );
    const client = await app.root.expect<{ clientId: number }>('PUT', `/org/${orgId}/client`, {
      name: 'M',
      type: 'olm',
      olmId,
      secret: olmSecret,
      subnet,
    });
    await app.root.expect('POST', `/resource/${r}/rule/${rule}`, { action: 'ACCEPT', priority: 1 });
    await app.root.expect('POST', `/target/${targets[0]}`, { siteId, ip: '127.0.0.1', method: 'http', port: 9999 });
    await app.root.expect('DELETE', `/target/${targets[1]}`);
    await app.root.expect('POST', `/resource/${r}/roles`, { roleIds: [] });
    await app.root.expect('POST', `/resource/${r}/users`, { userIds: [] });
    await app.root.expect('POST', `/resource/${r}/whitelist`, { emails: ['c@d.org'] });
    await app.root.expect('POST', `/resource/${r}/password`, { password: 'another1' });
    await app.root.expect('POST', `/site-resource/${db}/roles`, { roleIds: [] });
    await app.root.expect('POST', `/site-resource/${db}/users`, { userIds: [] });
    await app.root.expect('POST', `/site-resource/${db}/clients`, { clientIds: [client.clientId] });
    return { r, db };
  };

  it.each([false, true])(
    'shows edited targets, rules, grants and secrets of a resource (of a waiting site: %s), and in the plan; an apply sets them back',
    async (waiting) => {
      const orgId = await org();
      await people(orgId);
      const s = await site(orgId);
      if (waiting) await suspend(s);
      expect(await send(orgId, s, 'file', all(orgId))).toMatchObject({ ok: true });
      const { web: r, db } = await ids(orgId);
      expect([await driftOf(`/resource/${r}`), await driftOf(`/site-resource/${db}`)]).toEqual([[], []]);
      await edits(orgId, s);
      const target = (port: number) =>
        expect.objectContaining({ siteId: s.siteId, ip: '127.0.0.1', port, method: 'http', pathMatchType: null });
      const drift = await driftOf(`/resource/${r}`);
      expect(drift).toEqual(
        expect.arrayContaining([
          { field: 'targets', file: [target(8080), target(8081)], current: [target(9999)] },
          {
            field: 'rules',
            file: [expect.objectContaining({ action: 'DROP', match: 'CIDR', value: '10.0.0.0/8' })],
            current: [expect.objectContaining({ action: 'ACCEPT' })],
          },
          ...(waiting ? [] : [{ field: 'roles', file: ['Ops'], current: [] }]),
          { field: 'users', file: [person(orgId)], current: [] },
          { field: 'emails', file: ['a@b.org'], current: ['c@d.org'] },
          { field: 'password', file: '********', current: '********' },
        ]),
      );
      const machine = [expect.any(String)];
      const privately = await driftOf(`/site-resource/${db}`);
      expect(privately).toEqual(
        expect.arrayContaining([
          { field: 'users', file: [person(orgId)], current: [] },
          { field: 'clients', file: [], current: machine },
        ]),
      );
      const plan = await planOf(orgId, s, 'file', all(orgId));
      const sorted = (list: Drift[]) => list.map(({ field }) => field).sort();
      expect(sorted(plan.drift.filter((d) => d.key === 'web'))).toEqual(sorted(drift));
      expect(sorted(plan.drift.filter((d) => d.key === 'db'))).toEqual(sorted(privately));
      expect(await send(orgId, s, 'file', all(orgId))).toMatchObject({ ok: true });
      expect([await driftOf(`/resource/${r}`), await driftOf(`/site-resource/${db}`)]).toEqual([[], []]);
      if (!waiting) return;
      await approve(s);
      expect([await driftOf(`/resource/${r}`), await driftOf(`/site-resource/${db}`)]).toEqual([[], []]);
      expect(await planOf(orgId, s, 'file', all(orgId))).toMatchObject({ changes: [], drift: [], redeclares: false });
    },
  );

  it('is shown of a resource that waits, and "enabled" is not drift because the site waits or is suspended', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await suspend(s);
    await send(orgId, s, 'file', web({ 'full-domain': domainOf(orgId, 'web') }));
    const [{ id }] = (await app.sql<{ id: number }>('SELECT resource_id AS id FROM resource WHERE org_id = $1', [
      orgId,
    ])) as [{ id: number }];
    expect(await driftOf(`/resource/${id}`)).toEqual([]);
    await app.root.expect('POST', `/resource/${id}`, { name: 'By hand' });
    expect(await driftOf(`/resource/${id}`)).toEqual([{ field: 'name', file: 'Web', current: 'By hand' }]);
    await approve(s);
    await suspend(s);
    expect((await driftOf(`/resource/${id}`)).map((d) => d.field)).toEqual(['name']);
  });

  it('of two sites that share is each one’s own, and an operator’s plan shows it', async () => {
    const orgId = await org();
    const [one, two] = [await site(orgId, 'one'), await site(orgId, 'two')];
    const document = {
      ...web({ 'full-domain': domainOf(orgId, 'web') }),
      'private-resources': { db: { name: 'DB', mode: 'host', destination: '10.0.0.9' } },
    };
    for (const s of [one, two]) expect(await send(orgId, s, 'file', document)).toMatchObject({ ok: true });
    const [row] = await app.sql<{ web: number; db: number; target: number }>(
      'SELECT resource_id AS web, site_resource_id AS db, max(target_id) AS target FROM resource JOIN site_resource USING (org_id) JOIN target USING (resource_id) WHERE resource.org_id = $1 GROUP BY 1, 2',
      [orgId],
    );
    expect([await driftOf(`/resource/${row!.web}`), await driftOf(`/site-resource/${row!.db}`)]).toEqual([[], []]);
    await app.root.expect('POST', `/target/${row!.target}`, {
      siteId: two.siteId,
      ip: '127.0.0.1',
      port: 8080,
      priority: 7,
    });
    await app.root.expect('POST', `/resource/${row!.web}`, { name: 'By hand' });
    await app.root.expect('POST', `/site-resource/${row!.db}`, { siteIds: [one.siteId] });
    expect((await driftOf(`/resource/${row!.web}`)).map((d) => d.field).sort()).toEqual(['name', 'targets']);
    expect(await driftOf(`/site-resource/${row!.db}`)).toEqual([
      { field: 'siteIds', file: [two.siteId], current: [one.siteId] },
    ]);
    const named = web({ 'full-domain': domainOf(orgId, 'web'), targets: [] });
    const reply = await apply(orgId, JSON.stringify(named), '?dryRun=true');
    expect(reply.body.data).toMatchObject({
      changes: [{ action: 'update', key: 'web', fields: ['name'] }],
      drift: expect.arrayContaining([
        { type: 'public-resource', key: 'web', field: 'name', file: 'Web', current: 'By hand' },
      ]),
    });
    expect((reply.body.data as unknown as { drift: Drift[] }).drift.map((d) => d.field).sort()).toEqual([
      'name',
      'targets',
    ]);
  });

  it('shows no secret of a header', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const headers = (value: string) => [
      { name: 'Authorization', value },
      { name: 'X-Plain', value },
    ];
    const target = (value: string) => ({
      method: 'http',
      hostname: '127.0.0.1',
      port: 8080,
      healthcheck: { hostname: '127.0.0.1', port: 8080, headers: headers(value) },
    });
    const document = (value: string) =>
      web({ 'full-domain': domainOf(orgId, 'web'), headers: headers(value), targets: [target(value)] });
    await send(orgId, s, 'file', document('sesame1'));
    await app.sql(
      `UPDATE resource SET headers = replace(headers::text, 'sesame1', 'sesame2')::jsonb WHERE org_id = $1`,
      [orgId],
    );
    await app.sql(
      `UPDATE target SET hc_headers = replace(hc_headers::text, 'sesame1', 'sesame2')::jsonb WHERE org_id = $1`,
      [orgId],
    );
    const [row] = await app.sql<{ id: number }>('SELECT resource_id AS id FROM resource WHERE org_id = $1', [orgId]);
    const { drift } = await planOf(orgId, s, 'file', document('sesame1'));
    for (const seen of [await driftOf(`/resource/${row!.id}`), drift]) {
      expect(seen.map((d) => d.field).sort()).toEqual(['headers', 'targets']);
      const text = JSON.stringify(seen);
      expect(text).toContain('{"name":"Authorization","value":"********"}');
      expect([text.match(/sesame1/g)?.length, text.match(/sesame2/g)?.length]).toEqual([2, 2]);
    }
  });

  it('is gone when the document takes over what somebody changed, or no longer speaks of it', async () => {
    const orgId = await org();
    const s = await site(orgId);
    const rules = (value: string) =>
      web({
        'full-domain': domainOf(orgId, 'web'),
        rules: [{ action: 'deny', match: 'cidr', value: '10.0.0.0/8', enabled: value === 'on' }],
      });
    await send(orgId, s, 'file', rules('on'));
    const [row] = await app.sql<{ r: number; rule: number }>(
      'SELECT resource_id AS r, rule_id AS rule FROM resource JOIN resource_rule USING (resource_id) WHERE resource.org_id = $1',
      [orgId],
    );
    await app.root.expect('POST', `/resource/${row!.r}/rule/${row!.rule}`, { enabled: false, priority: 1 });
    expect((await driftOf(`/resource/${row!.r}`)).map((d) => d.field)).toEqual(['rules']);
    expect(await send(orgId, s, 'file', rules('off'))).toMatchObject({ ok: true });
    expect(await driftOf(`/resource/${row!.r}`)).toEqual([]);
  });

  it('of targets that a file adds to somebody else’s resource goes with them', async () => {
    const orgId = await org();
    const s = await site(orgId);
    await apply(
      orgId,
      JSON.stringify(
        web({ 'full-domain': domainOf(orgId, 'web'), targets: [], 'sites-may-add-targets': { sites: [s.niceId] } }),
      ),
    );
    const adds = { 'public-resources': { web: { targets: [{ method: 'http', hostname: '127.0.0.1', port: 8080 }] } } };
    expect(await send(orgId, s, 'file', adds)).toMatchObject({ ok: true });
    const [row] = await app.sql<{ r: number; target: number }>(
      'SELECT resource_id AS r, target_id AS target FROM resource JOIN target USING (resource_id) WHERE resource.org_id = $1',
      [orgId],
    );
    await app.root.expect('DELETE', `/target/${row!.target}`);
    expect(await driftOf(`/resource/${row!.r}`)).toMatchObject([{ field: 'targets', current: [] }]);
    expect(await send(orgId, s, 'file', {})).toMatchObject({ ok: true });
    expect(await driftOf(`/resource/${row!.r}`)).toEqual([]);
  });
});

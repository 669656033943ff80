import { describe, expect, it } from 'vitest';
import { app, get, post, rawId, resource, resourceId, setUpResourceAccess } from '../support/resource-access.js';

setUpResourceAccess();

describe('rules', () => {
  const RULE = { action: 'ACCEPT', match: 'PATH', value: '/a', priority: 1 };
  interface Rule {
    ruleId: number;
    value: string;
    priority: number;
  }
  const add = (more: object = {}, id = resourceId) =>
    app.root.expect<Rule>('PUT', `/resource/${id}/rule`, { ...RULE, ...more });

  it('are sorted by priority before they are paged', async () => {
    const id = await resource('acme');
    for (const priority of [30, 10, 20, -5]) await add({ priority, value: `/p${priority}` }, id);
    const page = await get<{ rules: Rule[]; pagination: object }>('rules?limit=2&offset=1', id);
    expect(page.rules.map((r) => r.priority)).toEqual([10, 20]);
    expect(page.pagination).toEqual({ total: 4, limit: 2, offset: 1 });
  });

  it('are made, changed and deleted', async () => {
    const made = await app.root.put<Rule>(`/v1/resource/${resourceId}/rule`, RULE);
    expect(made).toMatchObject({
      status: 201,
      body: { data: { ruleId: expect.any(Number), resourceId, ...RULE, enabled: true } },
    });
    const { ruleId } = made.body.data;
    expect(await post(`rule/${ruleId}`, { priority: 5, enabled: false })).toMatchObject({
      status: 200,
      body: { data: { ...RULE, priority: 5, enabled: false } },
    });
    expect(
      await post(`rule/${ruleId}`, { priority: 5, match: 'CIDR', value: '10.0.0.0/8', action: 'DROP' }),
    ).toMatchObject({ status: 200, body: { data: { match: 'CIDR', action: 'DROP', enabled: false } } });
    for (const body of [
      {},
      { enabled: true },
      { priority: 1.5 },
      { priority: 1, value: '' },
      { priority: 1, match: 'IP' },
      { priority: 1, match: 'X' },
      { priority: 1, color: 1 },
    ]) {
      expect((await post(`rule/${ruleId}`, body)).status, JSON.stringify(body)).toBe(400);
    }
    const first = await post(`rule/${ruleId}`, { priority: 6 });
    const api = app.root.as(app.root.authorization, { 'if-match': first.headers.get('etag')! });
    expect([
      (await api.post(`/resource/${resourceId}/rule/${ruleId}`, { priority: 7 })).status,
      (await api.post(`/resource/${resourceId}/rule/${ruleId}`, { priority: 8 })).status,
    ]).toEqual([200, 412]);
    expect(await app.root.delete(`/resource/${resourceId}/rule/${ruleId}`)).toMatchObject({
      status: 200,
      body: { data: null },
    });
    expect((await app.root.delete(`/resource/${resourceId}/rule/${ruleId}`)).status).toBe(404);
  });

  it('are readable by id, with the version that a change checks', async () => {
    const { ruleId } = await add({ enabled: false });
    const reply = await app.root.get(`/v1/resource/${resourceId}/rule/${ruleId}`);
    expect(reply).toMatchObject({ status: 200, body: { data: { ruleId, resourceId, ...RULE, enabled: false } } });
    const api = app.root.as(app.root.authorization, { 'if-match': reply.headers.get('etag')! });
    expect((await api.post(`/resource/${resourceId}/rule/${ruleId}`, { priority: 7 })).status).toBe(200);
    expect((await api.post(`/resource/${resourceId}/rule/${ruleId}`, { priority: 8 })).status).toBe(412);
    for (const key of [await app.orgKey('other', 'listResourceRules'), await app.orgKey('acme', 'listResourceRules')]) {
      expect((await key.get(`/resource/${await resource('acme')}/rule/${ruleId}`)).status).toBe(404);
    }
  });

  it('of another resource or another organization stay: 403 for a change within one organization, else 404', async () => {
    const [second, theirs] = [await resource('acme'), await resource('other')];
    for (const [owner, status] of [
      [second, 403],
      [theirs, 404],
    ] as const) {
      const { ruleId } = await add({}, owner);
      expect((await post(`rule/${ruleId}`, { priority: 9 })).status).toBe(status);
      expect((await app.root.delete(`/resource/${resourceId}/rule/${ruleId}`)).status).toBe(404);
      expect(await get('rules', owner)).toMatchObject({ rules: [{ ruleId, priority: 1 }] });
    }
  });

  it('hold values that fit, and belong to HTTP resources', async () => {
    for (const [match, value] of [
      ['CIDR', '10.0.0.0'],
      ['IP', '10.0.0.0/8'],
      ['PATH', '/a//b'],
      ['REGION', '999'],
      ['COUNTRY', 'Germany'],
      ['ASN', 'x'],
      ['PORT', '80'],
    ]) {
      expect(
        (await app.root.put(`/resource/${resourceId}/rule`, { ...RULE, match, value })).status,
        `${match} ${value}`,
      ).toBe(400);
    }
    for (const missing of ['action', 'match', 'value', 'priority'])
      expect((await app.root.put(`/resource/${resourceId}/rule`, { ...RULE, [missing]: undefined })).status).toBe(400);
    expect((await app.root.put(`/resource/${rawId}/rule`, RULE)).status).toBe(400);
  });
});

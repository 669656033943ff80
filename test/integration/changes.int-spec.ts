import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secretValue } from '../support/secret-values.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

// What all kinds of objects that can be changed have in common.
let app: TestApp;
let siteId: number;
let domainId: string;
let resourceId: number;
beforeAll(async () => {
  app = await openTestApp();
  await app.makeOrg('acme');
  ({ siteId } = await make<{ siteId: number }>('/org/acme/site', { name: 'edge', type: 'newt' }));
  domainId = (await app.root.expect<{ domains: { domainId: string }[] }>('GET', '/org/acme/domains')).domains[0]!
    .domainId;
  ({ resourceId } = await make<{ resourceId: number }>('/org/acme/resource', web()));
});
afterAll(() => app?.close());

let serial = 0;
const fresh = () => `n${++serial}`;
const make = <T>(path: string, body: object) => app.root.expect<T>('PUT', path, body);
const web = () => ({ name: 'Web', http: true, protocol: 'tcp', domainId, subdomain: fresh() });

interface Deletable {
  path: string;
  change: { method?: 'PATCH'; body: object };
  /** Of the deletion. */
  body?: object;
}

/** By the path in the document. */
const KINDS: Record<string, () => Promise<Deletable>> = {
  '/org/{orgId}': async () => {
    const orgId = fresh();
    await app.makeOrg(orgId);
    return { path: `/org/${orgId}`, change: { body: { name: 'again' } } };
  },
  '/org/{orgId}/user/{userId}': async () => {
    const userId = fresh();
    await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $2)', [
      userId,
      `${userId}@example.com`,
    ]);
    await app.sql(`INSERT INTO membership (org_id, user_id) VALUES ('acme', $1)`, [userId]);
    return { path: `/org/acme/user/${userId}`, change: { body: { autoProvisioned: true } } };
  },
  '/role/{roleId}': async () => {
    const { roles } = await app.root.expect<{ roles: { roleId: number; name: string }[] }>('GET', '/org/acme/roles');
    const { roleId } = await make<{ roleId: number }>('/org/acme/role', { name: fresh() });
    return {
      path: `/role/${roleId}`,
      change: { body: { description: 'again' } },
      body: { roleId: roles.find((role) => role.name === 'Member')!.roleId },
    };
  },
  '/site/{siteId}': async () => {
    const made = await make<{ siteId: number }>('/org/acme/site', { name: 'gone', type: 'newt' });
    return { path: `/site/${made.siteId}`, change: { body: { name: 'again' } } };
  },
  '/client/{clientId}': async () => {
    const { olmId, olmSecret, subnet } = await app.root.expect<Record<string, string>>(
      'GET',
      '/org/acme/pick-client-defaults',
    );
    const { clientId } = await make<{ clientId: number }>('/org/acme/client', {
      name: 'laptop',
      olmId,
      secret: olmSecret,
      subnet,
      type: 'olm',
    });
    return { path: `/client/${clientId}`, change: { body: { name: 'again' } } };
  },
  '/org/{orgId}/domain/{domainId}': async () => {
    const made = await make<{ domainId: string }>('/org/acme/domain', {
      type: 'wildcard',
      baseDomain: `${fresh()}.example.com`,
    });
    return { path: `/org/acme/domain/${made.domainId}`, change: { method: 'PATCH', body: { certResolver: 'again' } } };
  },
  '/org/{orgId}/secret/{name}': async () => {
    const name = fresh().toUpperCase();
    await make('/org/acme/secret', { name, value: secretValue('kept') });
    return { path: `/org/acme/secret/${name}`, change: { body: { profileIds: null } } };
  },
  '/resource/{resourceId}': async () => {
    const made = await make<{ resourceId: number }>('/org/acme/resource', web());
    return { path: `/resource/${made.resourceId}`, change: { body: { name: 'again' } } };
  },
  '/target/{targetId}': async () => {
    const { targetId } = await make<{ targetId: number }>(`/resource/${resourceId}/target`, {
      siteId,
      ip: '10.0.0.1',
      port: 80,
      method: 'http',
    });
    return { path: `/target/${targetId}`, change: { body: { siteId, ip: '10.0.0.2' } } };
  },
  '/resource/{resourceId}/rule/{ruleId}': async () => {
    const { ruleId } = await make<{ ruleId: number }>(`/resource/${resourceId}/rule`, {
      action: 'DROP',
      match: 'IP',
      value: '10.0.0.1',
      priority: 1,
    });
    return { path: `/resource/${resourceId}/rule/${ruleId}`, change: { body: { priority: 2 } } };
  },
  '/site-resource/{siteResourceId}': async () => {
    const { siteResourceId } = await make<{ siteResourceId: number }>('/org/acme/site-resource', {
      name: 'DB',
      mode: 'host',
      destination: '10.9.9.9',
      siteId,
    });
    return { path: `/site-resource/${siteResourceId}`, change: { body: { name: 'again' } } };
  },
};

describe('DELETE with If-Match', () => {
  it('is on every object that is changed under it', () => {
    const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as {
      paths: Record<string, Record<string, { responses: object } | undefined>>;
    };
    const checks = (path: string, methods: string[]) =>
      methods.some((method) => '412' in (paths[path]![method]?.responses ?? {}));
    // What DELETE withdraws at `replace` is not what POST changes.
    const changed = Object.keys(paths).filter(
      (path) => paths[path]!['delete'] && checks(path, ['post', 'patch']) && !path.endsWith('/replace'),
    );
    expect(changed.filter((path) => checks(path, ['delete']))).toEqual(changed);
    expect(changed.map((path) => path.replace('/api/v1', '')).sort()).toEqual(Object.keys(KINDS).sort());
  });

  it.each(Object.keys(KINDS))(
    '%s: 412 for a tag that is stale, and nothing is deleted; done under the one that is right',
    async (kind) => {
      const { path, change, body } = await KINDS[kind]!();
      const update = () => app.root.send(change.method ?? 'POST', path, change.body);
      const under = (tag: string) => app.root.as(app.root.authorization, { 'if-match': tag }).delete(path, body);
      const tag = (await update()).headers.get('etag')!;
      expect(tag).toMatch(/^"\d+"$/);
      const stale = `"${Number(tag.slice(1, -1)) - 1}"`;
      expect(await under(stale)).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
      expect((await update()).status).toBe(200);
      expect((await under((await update()).headers.get('etag')!)).status).toBe(200);
      expect((await update()).status).toBe(404);
    },
  );
});

describe('a change of nothing', () => {
  /** The others have fields that a change must name. */
  const kinds = Object.keys(KINDS).filter((kind) => !/user|target|rule/.test(kind));

  it.each(kinds)('%s: 400 in the one form', async (kind) => {
    const { path, change } = await KINDS[kind]!();
    const reply = await app.root.send(change.method ?? 'POST', path, {});
    expect(reply).toMatchObject({
      status: 400,
      body: { code: 'validation', fields: [{ path: 'body', problem: 'at least one field is required' }] },
    });
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export let resourceId: number;
export let rawId: number;
let serial = 0;
export async function resource(orgId: string): Promise<number> {
  const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', `/org/${orgId}/domains`);
  const body = { name: 'App', http: true, protocol: 'tcp', domainId: domains[0]!.domainId, subdomain: `a${++serial}` };
  return (await app.root.expect<{ resourceId: number }>('PUT', `/org/${orgId}/resource`, body)).resourceId;
}
export const post = (rest: string, body: unknown, id = resourceId) => app.root.post(`/v1/resource/${id}/${rest}`, body);
export const get = <T = never>(rest: string, id = resourceId) => app.root.expect<T>('GET', `/resource/${id}/${rest}`);
export async function user(orgId: string): Promise<string> {
  const [userId, email] = [randomUUID(), `u${++serial}@example.com`];
  await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $2)', [userId, email]);
  await app.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [orgId, userId]);
  return userId;
}

/** A server with a public resource of HTTP, and one of another protocol. */
export function setUpResourceAccess(): void {
  beforeAll(async () => {
    app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
    await app.makeOrg('acme');
    await app.makeOrg('other');
    resourceId = await resource('acme');
    rawId = (
      await app.root.expect<{ resourceId: number }>('PUT', '/org/acme/resource', {
        name: 'Raw',
        http: false,
        protocol: 'tcp',
        proxyPort: 4000,
      })
    ).resourceId;
  });
  afterAll(() => app?.close());
}

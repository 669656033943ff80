import { afterAll, beforeAll } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { openTestApp, type TestApp } from './test-app.js';

export const ORG = 'acme';
export let app: TestApp;
export let siteId: number;
export let domainId: string;
export let adminRole: number;
export let memberRole: number;

export const put = <T>(path: string, body: object) => app.root.expect<T>('PUT', `/org/${ORG}/${path}`, body);
let serial = 0;
export const word = () => `w${serial++}`;
export interface Web {
  resourceId: number;
  niceId: string;
}
export const web = (more: object = {}) =>
  put<Web>('resource', { name: word(), mode: 'http', domainId, subdomain: word(), ...more });
export interface Private {
  siteResourceId: number;
  alias: string | null;
  fullDomain: string | null;
}
export const host = (more: object = {}) =>
  put<Private>('site-resource', { name: word(), mode: 'host', siteId, destination: '192.0.2.1', ...more });

/** @returns the id of somebody who holds these roles. */
export async function newMember(roleIds: number[]): Promise<string> {
  const userId = `user-${word()}`;
  const email = `${userId}@example.com`;
  await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $2)', [userId, email]);
  await app.db.tx((tx) => app.get(UsersService).addMember(tx, ORG, userId, { roleIds }));
  return userId;
}

/** @returns the status, and the fields that were wrong. */
export const problemsOf = (reply: { status: number; body: { fields?: { path: string }[] } }) => [
  reply.status,
  ...(reply.body.fields ?? []).map(({ path }) => path),
];
export const refused = async (method: string, path: string, body?: object) =>
  problemsOf((await app.root.send(method, path, body)) as never);

/** A server with the organizations acme, which has a site and a domain, and globex. */
export function setUpForeignClients(): void {
  beforeAll(async () => {
    app = await openTestApp({ BASE_DOMAIN: 'gate.example.net' });
    await app.makeOrg(ORG);
    await app.makeOrg('globex');
    ({ siteId } = await put<{ siteId: number }>('site', { name: 'S', type: 'newt' }));
    const { domains } = await app.root.expect<{ domains: { domainId: string }[] }>('GET', `/org/${ORG}/domains`);
    domainId = domains[0]!.domainId;
    const { roles } = await app.root.expect<{ roles: { roleId: number; name: string }[] }>('GET', `/org/${ORG}/roles`);
    const role = (name: string) => roles.find((one) => one.name === name)!.roleId;
    [adminRole, memberRole] = [role('Admin'), role('Member')];
  });
  afterAll(() => app?.close());
}

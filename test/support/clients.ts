import { afterAll, beforeAll } from 'vitest';
import { openTestApp, type TestApp } from './test-app.js';

export let app: TestApp;
export interface Client extends Record<string, unknown> {
  clientId: number;
  niceId: string;
  name: string;
  olmId: string;
  subnet: string;
  archived: boolean;
  blocked: boolean;
  approvalState: string | null;
}
export interface List {
  clients: (Client & { sites: Record<string, unknown>[] })[];
  pagination: { total: number; pageSize: number; page: number };
}
export interface Defaults {
  olmId: string;
  olmSecret: string;
  subnet: string;
}
let serial = 0;
export async function org(subnet?: string): Promise<string> {
  const orgId = `clients${++serial}`;
  await app.makeOrg(orgId, subnet);
  return orgId;
}
export const defaults = (orgId: string) => app.root.expect<Defaults>('GET', `/org/${orgId}/pick-client-defaults`);
export async function body(orgId: string, more: object = {}): Promise<Record<string, unknown>> {
  const { olmId, olmSecret, subnet } = await defaults(orgId);
  return { name: 'robot', olmId, secret: olmSecret, subnet, type: 'olm', ...more };
}
export const create = async (orgId: string, more: object = {}) =>
  app.root.expect<Client>('PUT', `/org/${orgId}/client`, await body(orgId, more));
export const list = (orgId: string, query = '') => app.root.expect<List>('GET', `/org/${orgId}/clients${query}`);
/** The device of a person: no route makes one yet. */
export async function device(
  orgId: string,
  state: { archived?: boolean; blocked?: boolean; approval?: string } = {},
): Promise<number> {
  const id = `user${++serial}`;
  await app.sql('INSERT INTO "user" (user_id, email, username) VALUES ($1, $2, $1)', [id, `${id}@example.com`]);
  const [row] = await app.sql<{ clientId: number }>(
    `INSERT INTO client (org_id, user_id, nice_id, name, olm_id, secret_hash, address, archived, blocked, approval_state)
     VALUES ($1, $2, $2, $2, $2, 'x', $3::inet, $4, $5, $6) RETURNING client_id AS "clientId"`,
    [
      orgId,
      id,
      `100.90.200.${serial % 250}/17`,
      state.archived ?? false,
      state.blocked ?? false,
      state.approval ?? null,
    ],
  );
  return row!.clientId;
}
export const ROW = [
  'clientId',
  'orgId',
  'exitNodeId',
  'userId',
  'niceId',
  'name',
  'pubKey',
  'olmId',
  'subnet',
  'megabytesIn',
  'megabytesOut',
  'lastBandwidthUpdate',
  'lastPing',
  'type',
  'online',
  'lastHolePunch',
  'archived',
  'blocked',
  'approvalState',
];

/** A server with the organizations acme and other. */
export function setUpClients(): void {
  beforeAll(async () => {
    app = await openTestApp();
    await app.makeOrg('acme');
    await app.makeOrg('other');
  });
  afterAll(() => app?.close());
}

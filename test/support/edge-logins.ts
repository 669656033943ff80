import { randomUUID } from 'node:crypto';
import bcrypt from 'bcrypt';
import { afterAll, beforeAll } from 'vitest';
import { UsersService } from '../../src/access/index.js';
import { RouteLoader } from '../../src/edge/routing/route-loader.js';
import { RouteTable } from '../../src/edge/routing/route-table.js';
import { type Api, TestOrg } from './api.js';
import { logIn, type StartedApp, startApp } from './app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from './database.js';
import { EdgeDoor, Visitor } from './edge-door.js';
import { until } from './server.js';
import { TestMailServer } from './smtp.js';

export const PASSWORD = 'correct horse battery';
export const PIN = '271828';
export const BASIC = `Basic ${Buffer.from(`import:${PASSWORD}`).toString('base64')}`;

let database: TestDatabase;
export let mail: TestMailServer;
/** Two servers, and the edge of each. */
export let one: StartedApp;
export let two: StartedApp;
export let doors: [EdgeDoor, EdgeDoor];
export let org: TestOrg;
let serial = 0;

export function setUpEdge(databaseUrl: (url: string) => Promise<string> = async (url) => url): void {
  beforeAll(async () => {
    [database, mail] = [await createTestDatabase(), await TestMailServer.start()];
    const env = {
      BASE_DOMAIN: 'gate.example.net',
      SMTP_URL: mail.url,
      MAIL_FROM: 'gate@example.com',
      REFUSALS_PER_MINUTE: '1000000',
    };
    one = await startApp(await databaseUrl(database.url), env);
    two = await startApp(database.url, env);
    doors = [await EdgeDoor.open(one), await EdgeDoor.open(two)];
    org = await TestOrg.create(two.root, { name: 'The Acme' });
  });
  afterAll(async () => {
    for (const door of doors ?? []) door.close();
    await Promise.all([one?.close(), two?.close(), mail?.stop()]);
    await database?.drop();
  });
}

/** Beside the servers. */
export const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);

export interface Resource {
  resourceId: number;
  host: string;
}

export type Way = 'none' | 'sso' | 'password' | 'pincode' | 'header' | 'whitelist';

/** A resource with these ways in and no other, known to both edges. */
export async function resource(ways: Way[], more: object = {}): Promise<Resource> {
  const { domains } = await two.root.expect<{ domains: { domainId: string }[] }>('GET', org.path('domains'));
  const { resourceId, fullDomain } = await two.root.expect<{ resourceId: number; fullDomain: string }>(
    'PUT',
    org.path('resource'),
    { name: 'App', http: true, protocol: 'tcp', domainId: domains[0]!.domainId, subdomain: `app${++serial}` },
  );
  const change = (path: string, body: object) => two.root.expect('POST', `/resource/${resourceId}${path}`, body);
  await change('', {
    ssl: false,
    sso: ways.includes('sso'),
    emailWhitelistEnabled: ways.includes('whitelist'),
    ...more,
  });
  if (ways.includes('password')) await change('/password', { password: PASSWORD });
  if (ways.includes('pincode')) await change('/pincode', { pincode: PIN });
  if (ways.includes('header'))
    await change('/header-auth', { user: 'import', password: PASSWORD, extendedCompatibility: false });
  if (ways.includes('whitelist')) await change('/whitelist', { emails: ['kim@example.com', '*@partner.example'] });
  const wanted = {
    sso: ways.includes('sso'),
    password: ways.includes('password'),
    pincode: ways.includes('pincode'),
    headerAuth: ways.includes('header'),
    whitelist: ways.includes('whitelist'),
    skipToIdpId: null,
  };
  await until(() =>
    [one, two].every(({ app }) => {
      const route = app.get(RouteTable).find(fullDomain);
      return (
        app.get(RouteLoader).ageSeconds === 0 &&
        JSON.stringify(route?.settings.protection) === JSON.stringify(wanted) &&
        !route!.settings.ssl
      );
    }),
  );
  return { resourceId, host: fullDomain };
}

export interface Person {
  userId: string;
  email: string;
  /** Logged in at the dashboard. */
  api: Api;
}

export const rolesOf = async (): Promise<{ roleId: number; name: string }[]> =>
  (await two.root.expect<{ roles: { roleId: number; name: string }[] }>('GET', org.path('roles'))).roles;

/** A member of the organization. */
export async function person(role = 'Member'): Promise<Person> {
  const email = `p-${randomUUID()}@example.com`;
  const userId = randomUUID();
  // Cheaper than the server makes them: there are many people in these tests.
  await sql(
    'INSERT INTO "user" (user_id, email, username, password_hash, email_verified) VALUES ($1, $2, $2, $3, true)',
    [userId, email, await bcrypt.hash(PASSWORD, 4)],
  );
  const { roleId } = (await rolesOf()).find(({ name }) => name === role)!;
  await two.db.tx((tx) => two.app.get(UsersService).addMember(tx, org.orgId, userId, { roleIds: [roleId] }));
  return { userId, email, api: await logIn(two.url, email, PASSWORD) };
}

export const grant = ({ resourceId }: Resource, { userId }: Person) =>
  two.root.expect('POST', `/resource/${resourceId}/users`, { userIds: [userId] });

/** What the resource asks of the dashboard. */
export async function askedOf(visitor: Visitor, { host }: Resource, to = '/', door = doors[0]): Promise<string> {
  const { status, headers } = await visitor.submit(door, host, 'sso', { to });
  const found = /^(http:\/\/\S+)\/resource-login#request=(\S+)$/.exec(headers.location ?? '');
  if (status !== 303 || !found) throw new Error(`sso: ${status} ${headers.location}`);
  return found[2]!;
}

/** What the dashboard answers to it. */
export const answerTo = ({ api }: Person, request: string) =>
  api.post<{ location: string }>('/auth/resource-login', { request });

/** Where the browser is sent with a code. */
export async function codeFor(who: Person, visitor: Visitor, of: Resource, to = '/'): Promise<string> {
  const { status, body } = await answerTo(who, await askedOf(visitor, of, to));
  if (status !== 200) throw new Error(`resource-login: ${status}`);
  return body.data.location;
}

/** A browser that is logged in by the dashboard. */
export async function loggedIn(who: Person, of: Resource, visitor = new Visitor()): Promise<Visitor> {
  const { pathname, search } = new URL(await codeFor(who, visitor, of));
  const { status } = await visitor.open(doors[0], of.host, pathname + search);
  if (status !== 302) throw new Error(`callback: ${status}`);
  return visitor;
}

/** A browser that has shown what a form asks for. */
export async function shown(of: Resource, secret: string, visitor = new Visitor()): Promise<Visitor> {
  const page = secret === PIN ? 'login/pincode' : 'login/password';
  const { status } = await visitor.submit(doors[0], of.host, page, { secret });
  if (status !== 303) throw new Error(`${page}: ${status}`);
  return visitor;
}

/** The code in the next mail to an address. */
export async function mailedCode(email: string): Promise<string> {
  const found = await until(() => mail.mails.find(({ to }) => to.includes(email)));
  mail.mails.splice(mail.mails.indexOf(found), 1);
  return /^\d{8}$/m.exec(found.text)![0];
}

/** A browser that has shown a mailed code. */
export async function codeShown(of: Resource, email = 'kim@example.com', visitor = new Visitor()): Promise<Visitor> {
  await visitor.submit(doors[0], of.host, 'login/email', { email });
  const { status } = await visitor.submit(doors[0], of.host, 'login/code', { code: await mailedCode(email), email });
  if (status !== 303) throw new Error(`code: ${status}`);
  return visitor;
}

export interface Token {
  accessTokenId: string;
  accessToken: string;
}
export const token = ({ resourceId }: Resource, body: object = {}) =>
  two.root.expect<Token>('POST', `/resource/${resourceId}/access-token`, body);
export const tokenHeaders = ({ accessTokenId, accessToken }: Token) => ({
  'p-access-token-id': accessTokenId,
  'p-access-token': accessToken,
});

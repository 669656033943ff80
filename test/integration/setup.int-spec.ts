import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FirstRun, SetupLinks } from '../../src/first-run/index.js';
import { Api } from '../support/api.js';
import { CSRF, logIn, type StartedApp, startApp } from '../support/app.js';
import { createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';

const email = 'operator@example.com';
const password = 'a password of the set-up';

let database: TestDatabase;
let one: StartedApp;
let two: StartedApp;
const sql = <Row extends object>(text: string, values: unknown[] = []) =>
  queryDatabase<Row>(database.url, text, values);
const settings = () => sql<{ name: string }>(`SELECT name FROM setting WHERE name = 'set_up_at'`);
const linkOf = async ({ app }: StartedApp): Promise<string> => (await app.get(SetupLinks).create())!;
const setUp = (token: string, body: object = {}, { url } = one) =>
  new Api(url, undefined, CSRF).post<{ userId: string; email: string; orgId: string | null }>('/setup', {
    token,
    email,
    password,
    organizationName: 'Northwind',
    ...body,
  });
/** What the first run printed. */
let printed: { adminEmail: string; adminPassword?: string };

let folder: string;
const start = (more: Record<string, string> = {}) =>
  startApp(database.url, { REFUSALS_PER_MINUTE: '1000', DATA_DIR: folder, ...more });

/** A new installation with two servers. */
async function install(more: Record<string, string> = {}): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-setup-'));
  database = await createTestDatabase();
  one = await start(more);
  two = await start(more);
  printed = (await one.app.get(FirstRun).run())!;
}
async function uninstall(): Promise<void> {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
}

describe('an installation that is set up by its link', () => {
  beforeAll(() => install());
  afterAll(uninstall);

  it('has the hash of the token alone', async () => {
    const token = await linkOf(one);
    expect(token).toMatch(/^[\w-]{43}$/);
    const rows = await sql<{ kept: string }>('SELECT row_to_json(setup_link)::text AS kept FROM setup_link');
    expect(rows).toHaveLength(1);
    expect(rows[0]!.kept).not.toContain(token);
    expect(rows[0]!.kept).not.toContain(Buffer.from(token, 'base64url').toString('hex'));
  });

  it('refuses a wrong and an expired token alike, and what comes without the header of forms', async () => {
    const expired = await linkOf(one);
    await sql(`UPDATE setup_link SET expires_at = now() - interval '1 second'`);
    const good = await linkOf(one);
    const [wrong, late] = [await setUp('wrong'), await setUp(expired)];
    expect(wrong.body).toMatchObject({ status: 404, code: 'not_found' });
    expect(late.body).toMatchObject({ status: 404, code: 'not_found', message: wrong.body.message });
    expect((await new Api(one.url).post('/setup', { token: good, email, password })).body).toMatchObject({
      status: 403,
      code: 'csrf',
    });
    expect(await settings()).toEqual([]);
  });

  it('keeps the link when something else is refused', async () => {
    const token = await linkOf(one);
    expect((await setUp(token, { password: 'short' })).body).toMatchObject({
      status: 400,
      fields: [{ path: 'password' }],
    });
    expect((await setUp(token, { email: 'nobody' })).body).toMatchObject({ status: 400, fields: [{ path: 'email' }] });
    expect((await setUp(token, { organizationName: '' })).body).toMatchObject({
      status: 400,
      fields: [{ path: 'organizationName' }],
    });
    expect(await settings()).toEqual([]);
    expect(await sql('SELECT FROM setup_link WHERE expires_at > now()')).not.toEqual([]);
  });

  it('is set up by one of several browsers, with links of two servers, and by none again', async () => {
    const tokens = [await linkOf(one), await linkOf(two)];
    const replies = await Promise.all(
      [...tokens, ...tokens].map((token, i) =>
        setUp(token, { email: `operator-${i}@example.com` }, i % 3 === 0 ? one : two),
      ),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404]);
    const won = replies.findIndex(({ status }) => status === 200);
    const reply = replies[won]!;
    expect(reply.body.data).toMatchObject({ email: `operator-${won}@example.com`, orgId: 'default' });

    // The answer's cookie is a session of the administrator.
    const session = new Api(one.url, undefined, {
      ...CSRF,
      cookie: reply.headers.get('set-cookie')!.split(';')[0]!,
    });
    expect(reply.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Lax/);
    expect(await session.expect('GET', '/user')).toMatchObject({
      email: `operator-${won}@example.com`,
      serverAdmin: true,
      memberships: [{ orgId: 'default', orgName: 'Northwind', isOwner: true }],
    });
    await logIn(two.url, `operator-${won}@example.com`, password);
    const old = { email: printed.adminEmail, password: printed.adminPassword };
    expect((await new Api(one.url, undefined, CSRF).post('/auth/login', old)).status).toBe(401);

    expect(await sql('SELECT FROM setup_link')).toEqual([]);
    expect(await two.app.get(SetupLinks).create()).toBeNull();
    for (const token of tokens) expect((await setUp(token)).status).toBe(404);
    expect(
      await sql(`SELECT action, actor_type, target_id FROM audit WHERE action IN ('installation.set_up', 'org.update')
        ORDER BY action`),
    ).toEqual([
      { action: 'installation.set_up', actor_type: 'user', target_id: reply.body.data.userId },
      { action: 'org.update', actor_type: 'user', target_id: 'default' },
    ]);
  });
});

describe('a link', () => {
  afterEach(uninstall);

  it('is good after a restart, beside the one that the next start makes', async () => {
    await install();
    const before = await linkOf(one);
    await one.close();
    one = await start();
    await linkOf(one);
    expect((await setUp(before)).status).toBe(200);
  });

  it('is worth nothing once the administrator logged in by the password of the first run', async () => {
    await install();
    const token = await linkOf(two);
    await logIn(one.url, printed.adminEmail, printed.adminPassword!);
    expect((await setUp(token)).status).toBe(404);
    expect(await one.app.get(SetupLinks).create()).toBeNull();
    expect(await sql('SELECT FROM setup_link')).toEqual([]);
  });

  it('ends the sessions that the administrator had, and leaves out an organization that is gone', async () => {
    await install();
    const token = await linkOf(one);
    const session = await logIn(two.url, printed.adminEmail, printed.adminPassword!);
    // As if that login had not counted: somebody is in while the link is used.
    await sql(`DELETE FROM setting WHERE name = 'set_up_at'`);
    const again = await linkOf(one);
    await one.root.expect('DELETE', '/org/default');
    expect((await setUp(token)).status).toBe(404);
    expect((await setUp(again)).body.data).toMatchObject({ orgId: null, email });
    expect((await session.get('/user')).status).toBe(401);
  });

  it('is not made where ADMIN_PASSWORD was given', async () => {
    await install({ ADMIN_PASSWORD: 'what somebody knows' });
    expect(await one.app.get(SetupLinks).create()).toBeNull();
    expect(await settings()).toHaveLength(1);
  });

  it('is guessed at only so often', async () => {
    await install({ REFUSALS_PER_MINUTE: '3' });
    const token = await linkOf(one);
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await setUp(`guess-${i}`)).status);
    expect(statuses).toEqual([404, 404, 404, 429, 429]);
    // Who has the link is not kept out by that.
    expect((await setUp(token)).status).toBe(200);
  });
});

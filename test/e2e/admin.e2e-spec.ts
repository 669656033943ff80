import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { createEmptyDatabase, queryDatabase } from '../support/database.js';
import {
  freePort,
  startServer,
  TEST_ADMIN,
  TEST_MASTER_KEY,
  TEST_ROOT_KEY,
  type TestServer,
  until,
} from '../support/server.js';

const program = fileURLToPath(new URL('../../dist/server/admin.js', import.meta.url));
let folder: string;
let server: TestServer;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-admin-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
});
afterEach(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function admin(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const options = { cwd: folder, env: { PATH: process.env['PATH'], MASTER_KEY: TEST_MASTER_KEY, ...env } };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const status = async (key: string): Promise<number> =>
  (await fetch(`${server.url}/api/v1/orgs`, { headers: { authorization: `Bearer ${key}` } })).status;

function login(password: string): Promise<Response> {
  return fetch(`${server.url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-csrf-token': 'x-csrf-protection' },
    body: JSON.stringify({ email: TEST_ADMIN.email, password }),
  });
}

it('makes, lists and revokes root keys beside a running server, which hears of it; each is audited once', async () => {
  server = await startServer();
  const env = { DATABASE_URL: server.databaseUrl };
  const { stdout } = await admin(env, 'root-key', 'create', 'night shift');
  const key = /is (\S+)\n$/.exec(stdout)![1]!;
  expect(await status(key)).toBe(200);
  const [id] = key.split('.') as [string];
  const { stdout: list } = await admin(env, 'root-key', 'list');
  expect(list).toMatch(new RegExp(`^${id}  …${key.slice(-4)}  \\S+Z  night shift$`, 'm'));
  expect(list).toContain(TEST_ROOT_KEY.split('.')[0]);

  expect((await admin(env, 'root-key', 'revoke', id)).stdout).toBe(`The root API key ${id} is revoked.\n`);
  await until(async () => (await status(key)) === 401);
  const rows = await queryDatabase<{ action: string; actor_id: string }>(
    server.databaseUrl,
    'SELECT action, actor_id FROM audit WHERE target_id = $1 ORDER BY audit_id',
    [id],
  );
  expect(rows.map((row) => row.action)).toEqual(['root_key.create', 'root_key.revoke']);
  expect(rows[0]!.actor_id).toMatch(/^admin command of /);
});

it('sets a new password and ends the sessions of the old one', async () => {
  server = await startServer();
  const session = (await login(TEST_ADMIN.password)).headers.getSetCookie()[0]!.split(';')[0]!;
  const whoAmI = async (): Promise<number> =>
    (await fetch(`${server.url}/api/v1/user`, { headers: { cookie: session } })).status;
  expect(await whoAmI()).toBe(200);
  const { stdout } = await admin({ DATABASE_URL: server.databaseUrl }, 'reset-password', TEST_ADMIN.email);
  const password = /is (\S+)\n$/.exec(stdout)![1]!;
  await until(async () => (await whoAmI()) === 401);
  expect((await login(TEST_ADMIN.password)).status).toBe(401);
  expect((await login(password)).status).toBe(200);
});

it('confirms that an account belongs to the owner of its address', async () => {
  server = await startServer();
  const env = { DATABASE_URL: server.databaseUrl };
  await queryDatabase(
    server.databaseUrl,
    `INSERT INTO "user" (user_id, email, username) VALUES ('u', 'u@example.com', 'u@example.com')`,
  );
  for (const email of ['u@example.com', 'U@example.com'])
    expect(await admin(env, 'verify-user', email)).toMatchObject({ code: 0, stdout: `${email} is verified.\n` });
  const rows = await queryDatabase(server.databaseUrl, 'SELECT email, email_verified FROM "user" ORDER BY email');
  // The first administrator always is.
  expect(rows).toEqual(
    [
      { email: TEST_ADMIN.email, email_verified: true },
      { email: 'u@example.com', email_verified: true },
    ].sort((a, b) => (a.email < b.email ? -1 : 1)),
  );
  expect(
    (
      await queryDatabase<{ actor_id: string }>(
        server.databaseUrl,
        `SELECT actor_id FROM audit WHERE action = 'user.verify'`,
      )
    )[0]!.actor_id,
  ).toMatch(/^admin command of /);
  expect(await admin(env, 'verify-user', 'nobody@example.com')).toMatchObject({
    code: 1,
    stderr: 'There is no user nobody@example.com.\n',
  });
  expect(await admin(env, 'verify-user')).toMatchObject({ code: 64 });
});

it('takes the next signing key out of the database, and rotates with it alone', async () => {
  server = await startServer();
  const env = { DATABASE_URL: server.databaseUrl };
  const root = Api.root(server);
  const keys = () =>
    root.expect<{ current: string; next: string; trustFingerprint: string }>('GET', '/org/default/signing-keys');
  const before = await keys();
  const file = join(folder, 'next.pem');
  expect(await admin(env, 'export-next-key', 'default', '--key-file', file)).toMatchObject({ code: 0 });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  for (const again of [['--key-file', file], []])
    expect(await admin(env, 'export-next-key', 'default', ...again)).toMatchObject({ code: 1, stdout: '' });
  expect((await root.post('/org/default/signing-key/rotate')).status).toBe(409);
  expect(await admin(env, 'rotate-signing-key', 'default')).toMatchObject({ code: 1 });
  const rotated = await admin(env, 'rotate-signing-key', 'default', '--key-file', file);
  const after = await keys();
  expect(after.current).toBe(before.next);
  expect(rotated).toMatchObject({
    code: 0,
    stdout: `${after.current} signs for default now. Machines are to trust ${after.trustFingerprint}\n`,
  });
  // To standard output, as it is kept on paper.
  expect((await admin(env, 'export-next-key', 'default')).stdout).toMatch(
    /^-----BEGIN PRIVATE KEY-----\n[^-]+-----END PRIVATE KEY-----\n$/,
  );
  expect(await admin(env, 'rotate-signing-key', 'nowhere')).toMatchObject({
    code: 1,
    stderr: 'There is no organization nowhere.\n',
  });
  const audit = await queryDatabase<{ action: string }>(
    server.databaseUrl,
    `SELECT action FROM audit WHERE action LIKE 'signing_key.%' AND actor_id LIKE 'admin command of %' ORDER BY audit_id`,
  );
  expect(audit.map(({ action }) => action)).toEqual(['signing_key.export', 'signing_key.rotate', 'signing_key.export']);
});

it('begins a new epoch', async () => {
  server = await startServer();
  expect((await admin({ DATABASE_URL: server.databaseUrl }, 'new-epoch')).stdout).toMatch(/^The epoch is 2: /);
  expect(await queryDatabase(server.databaseUrl, 'SELECT epoch FROM bundle_epoch')).toEqual([{ epoch: 2 }]);
});

it('works on the embedded database, whether the server runs or not, and leaves it as it was', async () => {
  const dataDir = join(folder, 'data');
  server = await startServer({ databaseUrl: 'embedded', dataDir });
  expect((await admin({ DATA_DIR: dataDir }, 'root-key', 'list')).stdout).toContain(TEST_ROOT_KEY.split('.')[0]);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
  const { stdout } = await admin({ DATA_DIR: dataDir }, 'root-key', 'create');
  server = await startServer({ databaseUrl: 'embedded', dataDir });
  expect(await status(/is (\S+)\n$/.exec(stdout)![1]!)).toBe(200);
});

it('answers mistakes with a sentence, and wrong arguments with its usage', async () => {
  server = await startServer();
  const env = { DATABASE_URL: server.databaseUrl };
  expect(await admin(env, 'reset-password', 'nobody@example.com')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: 'There is no user nobody@example.com.\n',
  });
  expect(await admin(env, 'root-key', 'revoke', 'nokey')).toMatchObject({
    code: 1,
    stderr: 'There is no root API key nokey.\n',
  });
  expect(await admin({ DATA_DIR: 'mistyped' }, 'root-key', 'list')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('No Gatehouse was ever started with DATA_DIR'),
  });
  expect(existsSync(join(folder, 'mistyped'))).toBe(false);
  expect(await admin(env, 'root-key', 'steal')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('npm run admin -- root-key list'),
  });
});

it('reaches no database for a mistyped command, which must not migrate one', async () => {
  // Nothing listens there: whoever tries waits.
  const env = { DATABASE_URL: `postgres://u:p@127.0.0.1:${await freePort()}/d` };
  expect(await admin(env, 'chek')).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(/^Usage/) });
});

it('is told by --help what there is, without a build and without a database', async () => {
  const script = fileURLToPath(new URL('../../scripts/admin.mjs', import.meta.url));
  const { stdout, code } = await new Promise<{ stdout: string; code: number }>((done) => {
    // Anything that it would load beyond Node's own modules fails here.
    const copy = join(folder, 'scripts');
    cpSync(fileURLToPath(new URL('../../scripts', import.meta.url)), copy, { recursive: true });
    mkdirSync(join(folder, 'src/first-run'), { recursive: true });
    cpSync(
      fileURLToPath(new URL('../../src/first-run/admin-usage.txt', import.meta.url)),
      join(folder, 'src/first-run/admin-usage.txt'),
    );
    execFile(process.execPath, [join(copy, basename(script)), '--help'], { cwd: folder }, (error, text) =>
      done({ stdout: text, code: error ? Number(error.code) : 0 }),
    );
  });
  expect(code).toBe(0);
  expect(stdout).toContain('npm run admin -- check');
  expect(readdirSync(folder).sort()).toEqual(['scripts', 'src']);
});

it('checks a database that may be empty, and says what of it this server cannot set', async () => {
  const database = await createEmptyDatabase();
  const name = new URL(database.url).pathname.slice(1);
  const role = `clerk_${name}`;
  try {
    expect(await admin({ DATABASE_URL: database.url }, 'check')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('not made yet; the first start makes it'),
    });
    expect(await queryDatabase(database.url, `SELECT FROM pg_class WHERE relname = 'site'`)).toEqual([]);
    await queryDatabase(
      database.url,
      `CREATE ROLE ${role} LOGIN PASSWORD 'p'; GRANT ALL ON SCHEMA public TO ${role}; ALTER DATABASE ${name} SET session_replication_role = 'replica'`,
    );
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'p'];
    const { code, stdout } = await admin({ DATABASE_URL: url.href, DATABASE_POOL_SIZE: '999' }, 'check');
    expect(code).toBe(1);
    expect(stdout).toContain('session_replication_role is replica: triggers do not run; set it to origin');
    expect(stdout).toContain('but one server needs 1002 (DATABASE_POOL_SIZE and 3)');
  } finally {
    await queryDatabase(database.url, `DROP OWNED BY ${role}`).catch(() => undefined);
    await database.drop();
  }
});

it('checks the rows of a running server too, and says what is wrong', async () => {
  server = await startServer();
  const env = { DATABASE_URL: server.databaseUrl };
  const sound = await admin(env, 'check');
  expect(sound).toMatchObject({ code: 0, stdout: expect.stringContaining('owners, counts and encryption are right') });
  await queryDatabase(server.databaseUrl, `INSERT INTO site_count VALUES ('nobody', 'approved', 0, 3)`);
  const { code, stdout } = await admin(env, 'check');
  expect([code, stdout]).toEqual([1, expect.stringContaining('1 counts of sites that are wrong: nobody approved')]);
});

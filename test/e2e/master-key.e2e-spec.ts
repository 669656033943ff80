import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Api, provision, TestOrg } from '../support/api.js';
import { createEmptyDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { restoreFixture } from '../support/fixture.js';
import { runToEnd } from '../support/run-program.js';
import { freePort, startServer, TEST_MASTER_KEY, TEST_ROOT_KEY, type TestServer, until } from '../support/server.js';

const WRONG_KEY = Buffer.alloc(32, 9).toString('base64');
const NOT_THE_ONE =
  'The master key is not the one that this database was set up with; start with the right MASTER_KEY (or master.key in DATA_DIR).\n';

let folder: string;
let dataDir: string;
const servers: TestServer[] = [];
const databases: TestDatabase[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-key-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
  dataDir = join(folder, 'data');
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const database of databases.splice(0)) await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** A server with the database and the key in its DATA_DIR. */
async function startEmbedded(env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startServer({ databaseUrl: 'embedded', dataDir, env: { MASTER_KEY: '', ...env } });
  servers.push(server);
  return server;
}

/** Dropped after the test. */
async function kept(making: Promise<TestDatabase>): Promise<TestDatabase> {
  const database = await making;
  databases.push(database);
  return database;
}

/** As `runToEnd`, in the folder of the test. */
const runHere = (program: 'main' | 'admin', env: Record<string, string>, ...args: string[]) =>
  runToEnd(program, env, args, { cwd: folder });

/** Each file of DATA_DIR with its content, of those that are not PostgreSQL's own. */
const filesOf = (dir: string): [string, string][] =>
  readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }): [string, string] => [name, readFileSync(join(dir, name), 'latin1')])
    .sort();

const rootKeyWorks = async ({ url }: TestServer): Promise<boolean> =>
  (await fetch(`${url}/api/v1/orgs`, { headers: { authorization: `Bearer ${TEST_ROOT_KEY}` } })).status === 200;

describe('an embedded database without its master key', () => {
  it('is started by nothing, which makes no other key; with the key put back it is', async () => {
    await (await startEmbedded()).stop();
    const key = join(dataDir, 'master.key');
    renameSync(key, join(folder, 'kept'));
    const before = filesOf(dataDir);
    const sentence = `There is a database in ${dataDir}/postgres/data and no ${key}, the key that its secrets are encrypted with; put that file back from a backup, or set MASTER_KEY to what it held. For a new installation name another DATA_DIR.\n`;
    const env = { DATA_DIR: dataDir, PORT: String(await freePort()) };
    expect(await runHere('main', env)).toEqual({ code: 1, stdout: '', stderr: sentence });
    expect(await runHere('admin', env, 'root-key', 'list')).toEqual({ code: 1, stdout: '', stderr: sentence });
    expect(filesOf(dataDir)).toEqual(before);
    expect(existsSync(join(dataDir, 'postgres/data/postmaster.pid'))).toBe(false);

    renameSync(join(folder, 'kept'), key);
    expect(await rootKeyWorks(await startEmbedded())).toBe(true);
  });

  it('takes the key by MASTER_KEY, and no other', async () => {
    await (await startEmbedded()).stop();
    const key = readFileSync(join(dataDir, 'master.key'), 'utf8').trim();
    rmSync(join(dataDir, 'master.key'));
    const env = { DATA_DIR: dataDir, PORT: String(await freePort()) };
    expect(await runHere('main', { ...env, MASTER_KEY: WRONG_KEY })).toMatchObject({ code: 1, stderr: NOT_THE_ONE });
    expect(await rootKeyWorks(await startEmbedded({ MASTER_KEY: key }))).toBe(true);
    expect(existsSync(join(dataDir, 'master.key'))).toBe(false);
  });
});

it('an embedded database is given another master key by a second line of master.key, while its server runs', async () => {
  const file = join(dataDir, 'master.key');
  const claim = async (server: TestServer, key: string) =>
    expect((await provision(server.url, { provision_key: key })).status).toBe(201);
  const first = await startEmbedded();
  const org = await TestOrg.create(Api.root(first));
  const { siteProvisioningKey } = await org.keyUnder({ credentialType: 'psk' });
  await claim(first, siteProvisioningKey);
  await first.stop();

  const own = Buffer.alloc(32, 2).toString('base64');
  writeFileSync(file, `${own}\n${readFileSync(file, 'utf8').trim()}\n`);
  const both = await startEmbedded();
  await claim(both, siteProvisioningKey);
  const url = await embeddedUrl();
  await until(async () => (await queryDatabase(url, `SELECT FROM master_key WHERE state = 'previous'`)).length === 1);
  await both.stop();

  const two = readFileSync(file, 'utf8');
  writeFileSync(file, `${own}\n`);
  const early = await runHere('main', { DATA_DIR: dataDir, PORT: String(await freePort()) });
  expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('the second line of master.key') as string });

  writeFileSync(file, two);
  const again = await startEmbedded();
  const rotated = await runHere('admin', { DATA_DIR: dataDir }, 'rotate-master-key');
  expect(rotated).toMatchObject({ code: 0, stderr: '' });
  expect(rotated.stdout).toMatch(
    /PSKs: [12] sealed anew[\s\S]*without MASTER_KEY_PREVIOUS \(or the second line of master\.key\)/,
  );
  await again.stop();
  writeFileSync(file, `${own}\n`);
  const last = await startEmbedded();
  await claim(last, siteProvisioningKey);
  expect(await rootKeyWorks(last)).toBe(true);
});

describe('a database of DATABASE_URL', () => {
  it('of an older version is not migrated under a wrong key', async () => {
    const { url } = await kept(restoreFixture('0.1.0'));
    const state = () =>
      queryDatabase(
        url,
        `SELECT (SELECT count(*)::int FROM migrations) AS migrations, (SELECT count(*)::int FROM information_schema.tables WHERE table_schema = current_schema()) AS tables`,
      );
    const before = await state();
    const env = { DATABASE_URL: url, MASTER_KEY: WRONG_KEY, PORT: String(await freePort()) };
    expect(await runHere('main', env)).toMatchObject({ code: 1, stderr: NOT_THE_ONE });
    for (const args of [['check'], ['root-key', 'list']])
      expect(await runHere('admin', env, ...args)).toMatchObject({ code: 1, stderr: NOT_THE_ONE });
    expect(await state()).toEqual(before);
  });

  it('is not touched without a key, whatever a key file in DATA_DIR says', async () => {
    const { url } = await kept(createEmptyDatabase());
    const { code, stderr } = await runHere('main', { DATABASE_URL: url, DATA_DIR: dataDir });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'MASTER_KEY is required with DATABASE_URL: the one that the database was set up with or, for a new database, one made with `openssl rand -base64 32`; keep it.\n',
    });
    expect(existsSync(dataDir)).toBe(false);
    expect(await queryDatabase(url, `SELECT FROM pg_tables WHERE schemaname = 'public'`)).toEqual([]);
  });

  it('that two servers with keys of their own set up at once belongs to one of them', async () => {
    const { url } = await kept(createEmptyDatabase());
    const results = await Promise.allSettled(
      [TEST_MASTER_KEY, WRONG_KEY].map(async (key) => {
        servers.push(await startServer({ databaseUrl: url, env: { MASTER_KEY: key } }));
      }),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toEqual([
      expect.objectContaining({
        reason: expect.objectContaining({ message: expect.stringContaining(NOT_THE_ONE.trim()) as string }) as Error,
      }),
    ]);
    expect(await queryDatabase(url, 'SELECT FROM org')).toHaveLength(1);
  });
});

describe('a backup as README says', () => {
  it('is DATA_DIR copied while the server is stopped; put back, all of it works', async () => {
    await (await startEmbedded()).stop();
    execFileSync('cp', ['-a', dataDir, join(folder, 'backup')]);
    const changed = await startEmbedded();
    await queryDatabase(await embeddedUrl(), `UPDATE org SET name = 'made after the backup'`);
    await changed.stop();

    rmSync(dataDir, { recursive: true });
    execFileSync('cp', ['-a', join(folder, 'backup'), dataDir]);
    const restored = await startEmbedded();
    expect(await rootKeyWorks(restored)).toBe(true);
    expect(await queryDatabase(await embeddedUrl(), 'SELECT name FROM org')).toEqual([{ name: 'Default' }]);
  });
});

async function embeddedUrl(): Promise<string> {
  const password = readFileSync(join(dataDir, 'postgres/password'), 'utf8').trim();
  return `postgres://gatehouse:${password}@localhost:5432/gatehouse?host=${encodeURIComponent(join(dataDir, 'postgres/run'))}`;
}

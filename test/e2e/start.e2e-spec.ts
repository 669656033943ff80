import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { enrolLine } from '#contracts';
import { readPostmasterFile } from '../../libs/platform/database/postmaster.js';
import { formatKey, newKeySecret } from '../../src/provisioning/keys/key-token.js';
import { selfSigned } from '../support/certificate.js';
import { createEmptyDatabase, createTestDatabase, queryDatabase, type TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import {
  freePort,
  type ServerOptions,
  startServer,
  TEST_ADMIN,
  TEST_MASTER_KEY,
  TEST_ROOT_KEY,
  type TestServer,
  until,
} from '../support/server.js';

const main = fileURLToPath(new URL('../../dist/server/main.js', import.meta.url));
const servers: TestServer[] = [];
const databases: TestDatabase[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-start-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const database of databases.splice(0)) await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: ServerOptions = {}): Promise<TestServer> {
  const server = await startServer(options);
  servers.push(server);
  return server;
}

/** Runs a server that is expected to end by itself. */
function runToEnd(env: Record<string, string>): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [main],
      { cwd: folder, env: { PATH: process.env['PATH'], HOST: '127.0.0.1', ...env } },
      (error, stdout, stderr) => {
        done({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

const rootKeyWorks = async (url: string, key: string): Promise<boolean> =>
  (await fetch(`${url}/api/v1/orgs`, { headers: { authorization: `Bearer ${key}` } })).status === 200;

describe('the first start', () => {
  it('shows where everything is and, once, the secrets; they work, and no log line holds them', async () => {
    const server = await start({
      databaseUrl: 'embedded',
      env: { ADMIN_PASSWORD: '', ROOT_API_KEY: '', LOG_LEVEL: 'trace' },
    });
    const text = await until(() => server.logs.some((line) => line.startsWith('printf')) && server.logs.join('\n'));
    expect(text).toContain(`${server.url}/api/v1`);
    expect(text).toContain(`${server.url}/api/docs`);
    expect(text).toContain(`${server.url}/healthz`);
    expect(text).toMatch(/\nOnly this machine can reach it\. .*\n\nHOST=0\.0\.0\.0\nPUBLIC_URL=http:\/\/\S+:\d+\n/);
    expect(text).toMatch(new RegExp(`\\n${server.url}/setup#token=[\\w-]{43}\\n`));
    const password = /Administrator +admin@example\.com +(\S+)/.exec(text)![1]!;
    const rootKey = /Root API key +(\S+)/.exec(text)![1]!;
    const key = /Provisioning key +(spk_\S+)/.exec(text)![1]!;
    const { data } = (await (
      await fetch(`${server.url}/api/v1/org/default/signing-keys`, { headers: { authorization: `Bearer ${rootKey}` } })
    ).json()) as { data: { trustFingerprint: string } };
    expect(text).toContain(`\n${enrolLine(server.url, key, data.trustFingerprint)}\n`);

    const login = await fetch(`${server.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-csrf-token': 'x-csrf-protection' },
      body: JSON.stringify({ email: TEST_ADMIN.email, password }),
    });
    expect(login.status).toBe(200);
    expect(await rootKeyWorks(server.url, rootKey)).toBe(true);
    const keys = await queryDatabase(
      await embeddedUrl(server),
      'SELECT max_uses, round(extract(epoch FROM expires_at - created_at) / 3600)::int AS hours FROM provisioning_key',
    );
    expect(keys).toEqual([{ max_uses: 25, hours: 24 }]);

    const kept = readFileSync(join(server.dataDir, 'first-run.txt'), 'utf8');
    for (const secret of [password, rootKey, key]) {
      expect(kept).toContain(secret);
      const jsonLines = server.logs.filter((line) => line.startsWith('{'));
      expect(jsonLines.length).toBeGreaterThan(0);
      expect(jsonLines.filter((line) => line.includes(secret))).toEqual([]);
    }
    expect(statSync(join(server.dataDir, 'first-run.txt')).mode & 0o777).toBe(0o600);
  });

  it('is the only one that shows secrets; the next says how to make another key', async () => {
    const database = await createTestDatabase();
    databases.push(database);
    const first = await start({ databaseUrl: database.url });
    await first.stop();
    const second = await start({ databaseUrl: database.url });
    const text = await until(() => second.logs.some((line) => line.startsWith('curl')) && second.logs.join('\n'));
    expect(text).not.toMatch(/spk_|printf|setup/);
    expect(text).toContain('/api/v1/org/default/site-provisioning-key');
    expect(await queryDatabase(database.url, 'SELECT FROM provisioning_key')).toHaveLength(1);
  });

  it('is made once when several servers start at once on an empty database', async () => {
    const database = await createEmptyDatabase();
    databases.push(database);
    await Promise.all([1, 2, 3].map(() => start({ databaseUrl: database.url })));
    const [count] = await queryDatabase(
      database.url,
      'SELECT (SELECT count(*)::int FROM org) AS orgs, (SELECT count(*)::int FROM "user") AS users, (SELECT count(*)::int FROM api_key) AS keys',
    );
    expect(count).toEqual({ orgs: 1, users: 1, keys: 1 });
  });
});

describe('a start waits', () => {
  it('for a database that does not answer yet, and says so', async () => {
    const database = await createTestDatabase();
    databases.push(database);
    const proxy = await DatabaseProxy.start(database.url);
    await proxy.cut();
    const logs: string[] = [];
    const starting = start({ databaseUrl: proxy.url, logs });
    await until(() => logs.some((line) => /Waiting for the database of DATABASE_URL \(.*ECONNREFUSED/.test(line)));
    await proxy.restore();
    await starting;
    await servers.pop()!.stop();
    await proxy.stop();
  });

  it('for another server that is starting, names it, and gives up when that one does nothing', async () => {
    const database = await createTestDatabase();
    databases.push(database);
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('SELECT pg_advisory_lock(7241963)');
    const { code, stderr } = await runToEnd({
      DATABASE_URL: database.url,
      MASTER_KEY: TEST_MASTER_KEY,
      PORT: String(await freePort()),
      START_WAIT_SECONDS: '1',
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^Gave up after 1 s of waiting for another server to finish starting \(it holds the boot lock since \S+Z, from this machine, as PostgreSQL process \d+\)\.\n$/,
    );

    const logs: string[] = [];
    const starting = start({ databaseUrl: database.url, logs });
    await until(() => logs.some((line) => line.includes('Waiting for another server to finish starting')));
    await holder.end();
    await starting;
  });
});

describe('keys of the installation', () => {
  it('ROOT_API_KEY replaces the previous one when it changes, and the change is audited', async () => {
    const database = await createTestDatabase();
    databases.push(database);
    const first = await start({ databaseUrl: database.url });
    expect(await rootKeyWorks(first.url, TEST_ROOT_KEY)).toBe(true);
    const changed = `anotherrootkey1.${'z'.repeat(40)}`;
    const second = await start({ databaseUrl: database.url, env: { ROOT_API_KEY: changed } });
    expect(await rootKeyWorks(second.url, changed)).toBe(true);
    // The other server process hears of it.
    await until(async () => !(await rootKeyWorks(first.url, TEST_ROOT_KEY)));
    const audited = await queryDatabase<{ action: string }>(
      database.url,
      `SELECT action FROM audit WHERE action LIKE 'root_key.%' ORDER BY audit_id`,
    );
    expect(audited.map((row) => row.action)).toEqual(['root_key.create', 'root_key.revoke', 'root_key.create']);
  });

  it('a server with another master key does not start', async () => {
    const database = await createTestDatabase();
    databases.push(database);
    await start({ databaseUrl: database.url });
    const other = Buffer.alloc(32, 9).toString('base64');
    const { code, stderr } = await runToEnd({
      DATABASE_URL: database.url,
      MASTER_KEY: other,
      PORT: String(await freePort()),
    });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'The master key is not the one that this database was set up with; start with the right MASTER_KEY (or master.key in DATA_DIR).\n',
    );
  });
});

describe('a start that cannot be', () => {
  it('says in one sentence that the port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await runToEnd({ PORT: String(port) });
    other.close();
    expect(code).toBe(1);
    expect(stderr).toBe(`PORT ${port} is in use by another program on 127.0.0.1; stop that one or set another PORT.\n`);
  });

  it("says in one sentence that DATA_DIR is somebody else's, and touches nothing in it", async () => {
    mkdirSync(join(folder, 'photos'));
    writeFileSync(join(folder, 'photos/cat.jpg'), 'x');
    const { code, stderr } = await runToEnd({ DATA_DIR: 'photos' });
    expect(code).toBe(1);
    expect(stderr).toBe(
      `DATA_DIR ${join(folder, 'photos')} holds files that are not Gatehouse's; name an empty or a new folder.\n`,
    );
    expect(readdirSync(join(folder, 'photos'))).toEqual(['cat.jpg']);
  });

  it('says in one sentence that no folder can be made there', async () => {
    const { code, stderr } = await runToEnd({ DATA_DIR: '/proc/gatehouse' });
    expect(code).toBe(1);
    expect(stderr).toBe('DATA_DIR /proc/gatehouse cannot be made there.\n');
  });

  it('says in one sentence that the database does not answer', async () => {
    const url = `postgres://u:hunter2@127.0.0.1:${await freePort()}/d`;
    const { code, stderr } = await runToEnd({
      DATABASE_URL: url,
      MASTER_KEY: Buffer.alloc(32).toString('base64'),
      PORT: String(await freePort()),
      START_WAIT_SECONDS: '0',
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Gave up after 0 s of waiting for the database of DATABASE_URL \(.*ECONNREFUSED.*\)\.\n$/);
    expect(stderr).not.toContain('hunter2');
  });

  it('says in one sentence which variable is wrong', async () => {
    const { code, stderr } = await runToEnd({ PORT: 'three thousand' });
    expect(code).toBe(1);
    expect(stderr).toBe('PORT must be a whole number from 0 to 65535, not "three thousand".\n');
  });
});

describe('a running server', () => {
  it('finishes what it is answering and exits 0 on SIGTERM, the embedded database last', async () => {
    // A refused claim leaves no earlier than the floor: an answer that is surely still due when the signal arrives.
    const dataDir = join(folder, 'data');
    const server = await start({ databaseUrl: 'embedded', dataDir, env: { CLAIM_REFUSAL_FLOOR_MS: '1500' } });
    const refusal = fetch(`${server.url}/api/v1/provision`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        provision_key: formatKey({ keyId: 'aaaaaaaaaaaaaaa', secret: newKeySecret('aaaaaaaaaaaaaaa') }),
        device_name: 'x',
        hardware_id: 'x',
      }),
    });
    await fetch(`${server.url}/healthz`);
    process.kill(server.pid, 'SIGTERM');
    expect((await refusal).status).toBe(403);
    expect(await server.stop()).toBe(0);
    expect(existsSync(join(dataDir, 'postgres/data/PG_VERSION'))).toBe(true);
    expect(existsSync(join(dataDir, 'postgres/data/postmaster.pid'))).toBe(false);
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('does not outlive the npm that started it', async () => {
    const script = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));
    const port = await freePort();
    const dataDir = join(folder, 'data');
    const env = { PATH: process.env['PATH'], PORT: String(port), DATA_DIR: dataDir, npm_lifecycle_event: 'start' };
    // npm runs a script in a shell, which dies of a signal without passing it on.
    const shell = spawn('/bin/sh', ['-c', `${process.execPath} ${script}; exit`], { env, stdio: 'ignore' });
    const answers = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
    await until(answers);
    shell.kill('SIGTERM');
    await until(async () => !(await answers()) && !existsSync(join(dataDir, 'postgres/data/postmaster.pid')));
  });

  it('does not outlive an npm that is killed', async () => {
    const repository = fileURLToPath(new URL('../..', import.meta.url));
    const port = await freePort();
    const dataDir = join(folder, 'data');
    const npm = spawn('npm', ['start', '--silent'], {
      cwd: repository,
      env: { PATH: process.env['PATH'], HOME: folder, PORT: String(port), DATA_DIR: dataDir },
      stdio: 'ignore',
    });
    const answers = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
    await until(answers);
    npm.kill('SIGKILL');
    await until(async () => !(await answers()) && !existsSync(join(dataDir, 'postgres/data/postmaster.pid')));
  });

  it("is named by the start that finds its place taken; one that was killed is in nobody's way", async () => {
    const dataDir = join(folder, 'data');
    const server = await start({ databaseUrl: 'embedded', dataDir });
    const { code, stderr } = await runToEnd({
      DATA_DIR: dataDir,
      PORT: String(server.port),
      MASTER_KEY: TEST_MASTER_KEY,
    });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `Gatehouse is running already on ${dataDir}, as process ${server.pid} on port ${server.port}; stop it (kill ${server.pid}), or give this one a PORT and a DATA_DIR of its own.\n`,
    });
    await server.kill();
    const next = await start({ databaseUrl: 'embedded', dataDir, port: server.port });
    expect(await rootKeyWorks(next.url, TEST_ROOT_KEY)).toBe(true);
  });

  it('recovers without a restart when its embedded PostgreSQL is killed', async () => {
    const server = await start({ databaseUrl: 'embedded' });
    const data = join(server.dataDir, 'postgres/data');
    const { pid } = readPostmasterFile(data)!;
    process.kill(pid, 'SIGKILL');
    await until(() => readPostmasterFile(data)?.pid !== pid);
    await until(async () => (await fetch(`${server.url}/readyz`)).status === 200);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    await until(() => rootKeyWorks(server.url, TEST_ROOT_KEY));
  });

  it('serves HTTPS on PORT and takes a renewed certificate without a restart', async () => {
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const write = async (serial: string): Promise<void> => {
      const { cert, key } = await selfSigned(serial);
      writeFileSync(certFile, cert);
      writeFileSync(keyFile, key);
    };
    await write('0a');
    const server = await start({
      env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, NODE_EXTRA_CA_CERTS: certFile },
    });
    expect(await serialAt(server.port)).toBe('0A');
    await write('0b');
    await until(async () => (await serialAt(server.port)) === '0B');
  });

  it('serves its metrics on METRICS_PORT and not on PORT', async () => {
    const port = await freePort();
    const server = await start({ env: { METRICS_PORT: String(port) } });
    await fetch(`${server.url}/api/v1/org/default/sites`, { headers: { authorization: `Bearer ${TEST_ROOT_KEY}` } });
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toMatch(
      /gatehouse_http_request_seconds_count\{method="GET",route="\/api\/v1\/org\/:orgId\/sites",status="200"\} 1/,
    );
    expect(text).toMatch(/gatehouse_pool_wait_seconds_count [1-9]/);
    expect(text).toMatch(/gatehouse_pool_connections\{state="waiting"\} 0/);
    expect(text).toMatch(/nodejs_eventloop_lag_seconds /);
    expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
  });
});

async function serialAt(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

async function embeddedUrl(server: TestServer): Promise<string> {
  const password = readFileSync(join(server.dataDir, 'postgres/password'), 'utf8').trim();
  return `postgres://gatehouse:${password}@localhost:5432/gatehouse?host=${encodeURIComponent(join(server.dataDir, 'postgres/run'))}`;
}

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { selfSigned } from '../support/certificate.js';
import { createEmptyDatabase, queryDatabase } from '../support/database.js';
import { freePort, startServer, type TestServer } from '../support/server.js';

// What the image runs, run here; the files that put it there are read by test/docker.spec.ts.
let folder: string;
let server: TestServer | undefined;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gatehouse-docker-'))));
afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function run(program: string, env: Record<string, string>, ...args: string[]): Promise<Ended> {
  const script = fileURLToPath(new URL(`../../${program}`, import.meta.url));
  return new Promise((done) => {
    execFile(process.execPath, [script, ...args], { cwd: folder, env }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const health = (env: Record<string, string>): Promise<Ended> => run('docker/healthcheck.mjs', env);

it('the health check finds a server that serves HTTPS with a certificate for another name, and one that is gone', async () => {
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const { cert, key } = await selfSigned('01');
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  server = await startServer({ env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } });
  const env = { HOST: '0.0.0.0', PORT: String(server.port), TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile };
  expect(await health(env)).toEqual({ code: 0, stdout: '', stderr: '' });
  // Who asks by HTTP where HTTPS is served gets no answer.
  expect(await health({ PORT: env.PORT })).toMatchObject({ code: 1 });
  expect(await health({ ...env, PORT: String(await freePort()) })).toMatchObject({ code: 1 });
});

it('the health check finds a server that serves HTTP, as .env in its folder says', async () => {
  server = await startServer();
  writeFileSync(join(folder, '.env'), `PORT=${server.port}\n`);
  expect(await health({})).toEqual({ code: 0, stdout: '', stderr: '' });
});

it('the server takes a password of any characters from PGPASSWORD, beside a URL without one', async () => {
  const database = await createEmptyDatabase();
  const name = new URL(database.url).pathname.slice(1);
  const password = `p@ss/w#rd%20:?&$HOME "ä" '\\`;
  await queryDatabase(database.url, `CREATE ROLE "role_${name}" LOGIN PASSWORD '${password.replaceAll("'", "''")}'`);
  await queryDatabase(database.url, `ALTER DATABASE ${name} OWNER TO "role_${name}"`);
  await queryDatabase(database.url, `ALTER SCHEMA public OWNER TO "role_${name}"`);
  const url = new URL(database.url);
  url.username = `role_${name}`;
  url.password = '';
  try {
    server = await startServer({ databaseUrl: url.href, env: { PGPASSWORD: password } });
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    await server.stop();
    await expect(
      startServer({ databaseUrl: url.href, env: { PGPASSWORD: 'another', START_WAIT_SECONDS: '0' } }),
    ).rejects.toThrow(/password authentication failed/);
  } finally {
    await server?.stop();
    server = undefined;
    await queryDatabase(database.url, `REASSIGN OWNED BY "role_${name}" TO CURRENT_USER`);
    await queryDatabase(database.url, `DROP OWNED BY "role_${name}"`);
    await queryDatabase(database.url, `DROP ROLE "role_${name}"`);
    await database.drop();
  }
});

it('the admin command of the image says what there is, touching nothing', async () => {
  const { code, stdout, stderr } = await run('dist/server/admin.js', {}, '--help');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('root-key create');
});

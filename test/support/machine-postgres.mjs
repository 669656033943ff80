// A PostgreSQL of the machine's own packages, where one is found: a throw-away cluster with the settings that its makers chose.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const OLDEST = 15;

/** @returns the folder of its programs and its major version, or undefined: there is none that Gatehouse supports. */
export function findMachinePostgres() {
  const packaged = existsSync('/usr/lib/postgresql')
    ? readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`)
    : [];
  for (const bin of [...packaged.sort().reverse(), ...(process.env.PATH ?? '').split(delimiter)]) {
    if (!existsSync(join(bin, 'initdb')) || !existsSync(join(bin, 'postgres'))) continue;
    const major = Number(
      / (\d+)/.exec(spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1],
    );
    if (major >= OLDEST) return { bin, major };
  }
  return undefined;
}

/**
 * Makes and starts a cluster. @returns its URL (database `gatehouse`), the postmaster's pid, its folder, and `stop()`, which removes it.
 * `settings` go on top of what the machine's package has; with `tls` ({ cert, key } in PEM) it offers TLS, its certificate in `folder`/server.crt.
 * @param {import('./machine-postgres.d.mts').MachinePostgres} found
 * @param {Record<string, string | number>} [settings]
 * @param {{ cert: string, key: string }} [tls]
 */
export async function startMachinePostgres({ bin }, settings = {}, tls) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-machine-pg-'));
  const account = accountForPostgres();
  const [data, run] = [join(folder, 'data'), join(folder, 'run')];
  chmodSync(folder, 0o711);
  for (const path of [data, run]) {
    mkdirSync(path, { mode: 0o700 });
    if (account.uid !== undefined) chownSync(path, account.uid, account.gid);
  }
  const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C' };
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-U', 'gatehouse', '-A', 'trust', '-E', 'UTF8'], {
    ...account,
    cwd: '/',
    env,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`initdb of ${bin} failed: ${made.stderr}`);
  if (tls) {
    const files = { ssl_cert_file: join(folder, 'server.crt'), ssl_key_file: join(data, 'server.key') };
    writeFileSync(files.ssl_cert_file, tls.cert);
    writeFileSync(files.ssl_key_file, tls.key, { mode: 0o600 });
    if (account.uid !== undefined) chownSync(files.ssl_key_file, account.uid, account.gid);
    settings = { ssl: 'on', ...files, ...settings };
  }
  const port = String(settings.port ?? 5432);
  const options = Object.entries({ listen_addresses: '', unix_socket_directories: run, ...settings, port }).flatMap(
    ([name, value]) => ['-c', `${name}=${value}`],
  );
  const child = spawn(join(bin, 'postgres'), ['-D', data, ...options], { ...account, cwd: '/', env, stdio: 'ignore' });
  const ended = new Promise((done) => child.once('exit', done));
  const stop = async () => {
    child.kill('SIGINT');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', () => child.kill('SIGQUIT'));
  while (
    spawnSync(join(bin, 'createdb'), ['-h', run, '-p', port, '-U', 'gatehouse', 'gatehouse'], { env }).status !== 0
  ) {
    if (child.exitCode !== null) throw new Error(`postgres of ${bin} ended with ${child.exitCode}`);
    await delay(50);
  }
  return {
    url: `postgres://gatehouse@localhost:${port}/gatehouse?host=${encodeURIComponent(run)}`,
    postmasterPid: child.pid,
    folder,
    stop,
  };
}

/** PostgreSQL refuses to run as root. */
function accountForPostgres() {
  if (process.getuid?.() !== 0) return {};
  const lines = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = ['postgres', 'nobody'].map((name) => lines.find(([known]) => known === name)).find(Boolean);
  if (!found) throw new Error('There is no account to run PostgreSQL as');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

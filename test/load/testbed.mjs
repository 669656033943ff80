// What every case stands on: one embedded cluster for the whole run, databases in it, server processes, load generators.
// Everything listens on loopback and goes when the run goes, however it goes.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { claimDataDir, startEmbeddedPostgres } from '#platform';
import { sleep } from './lib.mjs';

pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const here = path.dirname(fileURLToPath(import.meta.url));
const repository = path.join(here, '../..');
/** Loaded before a process that is to go when the bench goes. */
export const dieWithParent = new URL('../support/die-with-parent.mjs', import.meta.url).href;
const watchdog = path.join(here, '../support/watchdog.mjs');
/** With which node a server runs, and what is measured beside one. */
export const SERVER_ARGS = ['--max-semi-space-size=32', '--import', dieWithParent];
const log = { info: () => undefined, warn: (message) => console.warn(message) };

/** @typedef {import('node:child_process').ChildProcess & { output: string, ended: Promise<void> }} Child */
/** @typedef {{ url: string, postmasterPid?: number, folder?: string, relocatedTo?: string, stop(): Promise<void> }} Cluster */
/** @typedef {{ env?: Record<string, string>, nodeArgs?: string[] }} NodeOptions */

/** The cluster, and every process that belongs to this run. */
export class Testbed {
  rootKey = `benchrootkey001.${randomBytes(24).toString('hex')}`;
  /** @type {Set<import('node:child_process').ChildProcess>} */
  #children = new Set();
  #databases = 0;

  /** @param {string} folder of its own @param {Cluster} postgres */
  constructor(folder, postgres) {
    this.folder = folder;
    this.postgres = postgres;
    this.watchdog = this.#watch();
  }

  /** @param {Cluster} [postgres] that runs already, instead of the embedded one; it goes with the testbed. */
  static async open(postgres) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gatehouse-bench-'));
    // Root runs PostgreSQL as another account, which must get through.
    fs.chmodSync(folder, 0o711);
    const dataDir = path.join(folder, 'data');
    fs.mkdirSync(dataDir);
    claimDataDir(dataDir);
    const settings = { max_connections: '200' };
    return new Testbed(folder, postgres ?? (await startEmbeddedPostgres({ dataDir, log, settings })));
  }

  /** Should this process be killed, the database goes with it. */
  #watch() {
    const folders = [this.folder, this.postgres.relocatedTo, this.postgres.folder].filter((name) => name !== undefined);
    const watching = spawn(process.execPath, [watchdog, String(this.postgres.postmasterPid), ...folders], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    watching.unref();
    return watching;
  }

  /** An ordinary restart of PostgreSQL: every connection is ended (57P01), and nothing answers until it is back under the same URL. */
  async restartPostgres() {
    await this.postgres.stop();
    this.postgres = await startEmbeddedPostgres({ dataDir: path.join(this.folder, 'data'), log });
    this.#watchAnew();
  }

  /** Kills the embedded PostgreSQL (SIGKILL), and waits until there is another one, which may still recover. */
  async killPostgres() {
    const { postmasterPid } = this.postgres;
    if (postmasterPid === undefined) throw new Error('this PostgreSQL is nobody to kill');
    process.kill(postmasterPid, 'SIGKILL');
    while (this.postgres.postmasterPid === postmasterPid) await sleep(20);
    this.#watchAnew();
  }

  #watchAnew() {
    // Killed first: the end of its standard input is what it cleans up at.
    this.watchdog.kill('SIGKILL');
    this.watchdog.stdin.destroy();
    this.watchdog = this.#watch();
  }

  async close() {
    for (const child of this.#children) child.kill('SIGKILL');
    await this.postgres.stop();
    this.watchdog.stdin.end();
  }

  url(database) {
    const url = new URL(this.postgres.url);
    url.pathname = `/${database}`;
    return url.href;
  }

  /** An empty database of its own. @returns its URL. */
  async database() {
    const name = `bench_${++this.#databases}`;
    await this.sql(this.url('postgres'), `CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /** Rows of one statement on a connection of its own. */
  async sql(url, text, values) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /**
   * Starts a node process of this run. Its output is kept in `output`.
   * @param {string} script
   * @param {string[]} [args]
   * @param {NodeOptions} [options]
   * @returns {Child}
   */
  node(script, args = [], { env = {}, nodeArgs = [] } = {}) {
    const child = spawn(process.execPath, [...nodeArgs, script, ...args], {
      cwd: this.folder,
      env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const ended = once(child, 'exit').then(() => void this.#children.delete(child));
    this.#children.add(child);
    const running = Object.assign(child, { output: '', ended });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (running.output += chunk));
    return running;
  }

  /** Runs one of the tools beside this file to its end. @returns its last line, parsed. */
  async tool(name, args, limitSeconds = 120) {
    const child = this.node(path.join(here, name), args, { nodeArgs: ['--import', dieWithParent] });
    const timer = setTimeout(() => child.kill('SIGKILL'), limitSeconds * 1000);
    await child.ended;
    clearTimeout(timer);
    if (child.exitCode !== 0)
      throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}:\n${child.output}`);
    return JSON.parse(child.output.trim().split('\n').at(-1) ?? '');
  }

  /** Closed-loop HTTP load from a process of its own; options as in load.mjs. */
  load(options) {
    return this.tool(
      'load.mjs',
      toArgs({ json: true, ...options }),
      30 + 3 * (Number(options.duration ?? 5) + Number(options.warmup ?? 0)),
    );
  }

  /**
   * One Gatehouse server process, built main.js, ready. `gcReport`: it answers SIGUSR2 with its heap after a collection. `tls`: it serves over TLS, with
   * a certificate that nobody knows. `failpoint`: a module that wraps another of the server's, which runs from single files then.
   * @param {string} databaseUrl
   * @param {NodeOptions & { gcReport?: string, port?: number, tls?: boolean, failpoint?: string }} [options]
   */
  async server(databaseUrl, { env = {}, nodeArgs = [], gcReport, port: given, tls = false, failpoint } = {}) {
    const port = given ?? (await freePort());
    const probe = gcReport ? ['--expose-gc', '--import', path.join(here, 'gc-probe.mjs')] : [];
    const stop = failpoint ? ['--import', failpoint] : [];
    const child = this.node(path.join(repository, failpoint ? 'dist/src/main.js' : 'dist/server/main.js'), [], {
      nodeArgs: [...SERVER_ARGS, ...probe, ...stop, ...nodeArgs],
      env: {
        HOST: '127.0.0.1',
        PORT: String(port),
        EDGE_PORT: '0',
        DATA_DIR: path.join(this.folder, `server-${port}`),
        DATABASE_URL: databaseUrl,
        MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
        ROOT_API_KEY: this.rootKey,
        ADMIN_PASSWORD: 'correct horse battery',
        LOG_LEVEL: 'warn',
        ...(gcReport ? { GC_REPORT: gcReport } : {}),
        ...env,
      },
    });
    if (tls) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    await this.#ready(child, `${url}/readyz`);
    return new Server(this, child, url, databaseUrl);
  }

  /**
   * One of the bare servers beside this file, for comparison.
   * @param {string} script
   * @param {{ gcReport?: string }} [options]
   */
  async bare(script, { gcReport } = {}) {
    const port = await freePort();
    const probe = gcReport ? ['--expose-gc', '--import', path.join(here, 'gc-probe.mjs')] : [];
    const child = this.node(path.join(here, script), [String(port)], {
      nodeArgs: ['--import', dieWithParent, ...probe],
      env: gcReport ? { GC_REPORT: gcReport } : {},
    });
    const url = `http://127.0.0.1:${port}`;
    await this.#ready(child, url);
    return new Server(this, child, url);
  }

  async #ready(child, url) {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`A server ended with ${child.exitCode}:\n${child.output}`);
      const response = await fetch(url).catch(() => undefined);
      await response?.arrayBuffer();
      if (response?.ok) return;
      await sleep(50);
    }
  }
}

/** A running server process with what the cases ask of it. */
export class Server {
  /**
   * @param {Testbed} testbed
   * @param {Child} child
   * @param {string} url
   * @param {string} [databaseUrl]
   */
  constructor(testbed, child, url, databaseUrl) {
    this.testbed = testbed;
    this.child = child;
    this.url = url;
    this.databaseUrl = databaseUrl;
  }

  get pid() {
    return this.child.pid;
  }

  sql(text, values) {
    return this.testbed.sql(this.databaseUrl, text, values);
  }

  /** JSON in, `data` of the envelope out, with the root key; throws on anything but success. */
  async api(method, route, body) {
    const response = await fetch(`${this.url}/api/v1${route}`, {
      method,
      headers: {
        authorization: `Bearer ${this.testbed.rootKey}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = /** @type {{ data: any }} */ (await response.json());
    if (!response.ok) throw new Error(`${method} ${route}: ${response.status} ${JSON.stringify(answer)}`);
    return answer.data;
  }

  /** POST /api/v1/provision; throws on anything but success. */
  async provision(body) {
    const response = await fetch(`${this.url}/api/v1/provision`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = /** @type {any} */ (await response.json());
    if (!response.ok) throw new Error(`POST /provision: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /**
   * An organization with a group, two labels, and one key without a limit under a template that gives both to every site.
   * @param {string} orgId
   * @param {{ subnet?: string, nameTemplate?: string, blueprint?: string }} [options]
   */
  async organization(orgId, { subnet = '10.0.0.0/8', nameTemplate, blueprint } = {}) {
    await this.api('PUT', '/org', { orgId, name: orgId, subnet, utilitySubnet: '100.96.128.0/20' });
    const { groupId } = await this.api('PUT', `/org/${orgId}/group`, { name: 'fleet' });
    const { profileId } = await this.api('PUT', `/org/${orgId}/provisioning-profile`, {
      name: 'fleet',
      labels: { region: 'north', tier: 'edge' },
      ...(blueprint ? { blueprint } : {}),
    });
    const { templateId } = await this.api('PUT', `/org/${orgId}/provisioning-template`, {
      name: 'fleet',
      profileId,
      groupIds: [groupId],
      ...(nameTemplate ? { nameTemplate } : {}),
    });
    const { siteProvisioningKey } = await this.api('PUT', `/org/${orgId}/site-provisioning-key`, {
      name: 'fleet',
      maxBatchSize: null,
      templateId,
    });
    return { orgId, groupId, profileId, key: siteProvisioningKey };
  }

  async stop() {
    this.child.kill('SIGTERM');
    await this.child.ended;
  }
}

/** Where a program is that PATH leads to, if it is anywhere. */
export function findProgram(name) {
  const candidates = (process.env.PATH ?? '').split(':').map((dir) => path.join(dir, name));
  return candidates.find((file) => fs.existsSync(file));
}

/** Where pgbench is, if it is anywhere. */
export function findPgbench() {
  const versions = fs.existsSync('/usr/lib/postgresql')
    ? fs.readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
    : [];
  const candidates = [
    ...versions.map((v) => `/usr/lib/postgresql/${v}/bin/pgbench`),
    ...(process.env.PATH ?? '').split(':').map((dir) => path.join(dir, 'pgbench')),
  ];
  return candidates.find((file) => fs.existsSync(file));
}

/** Environment of PostgreSQL's own tools for a connection URL. */
export function pgEnvironment(url) {
  const { username, password, port, hostname, pathname, searchParams } = new URL(url);
  return {
    PATH: process.env.PATH,
    PGHOST: searchParams.get('host') ?? hostname,
    PGPORT: port,
    PGUSER: username,
    PGPASSWORD: password,
    PGDATABASE: pathname.slice(1),
  };
}

const toArgs = (options) =>
  Object.entries(options).flatMap(([name, value]) =>
    [value].flat().flatMap((v) => (v === true ? [`--${name}`] : [`--${name}`, String(v)])),
  );

/** Below the range of ephemeral client ports. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const probe = net.createServer();
    const free = await new Promise((done) =>
      probe.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)),
    );
    if (!free) continue;
    await new Promise((done) => probe.close(done));
    return port;
  }
}

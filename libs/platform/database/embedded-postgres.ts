import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type DatabaseError } from 'pg';
import { asDataDirError, readOrCreateSecretFile } from '../config/data-dir.js';
import { createCluster, DATABASE_USER, explainOutput, firstError, makeFolder } from './embedded-cluster.js';
import { asAccount, type EmbeddedHome, EmbeddedPostgresError, POSTGRES_ENV, prepareHome } from './embedded-data-dir.js';
import { inspectPostmaster, readPostmasterFile, systemIdentifier } from './postmaster.js';

export { EmbeddedPostgresError } from './embedded-data-dir.js';

export interface EmbeddedPostgresOptions {
  /** DATA_DIR: absolute, existing, ours. */
  dataDir: string;
  log: EmbeddedPostgresLog;
  /** Settings written into postgresql.conf when the cluster is made, over our own. */
  settings?: Record<string, string>;
  /** For tools beside the server: use a database that another process runs, and leave it running. */
  shared?: boolean;
}

export interface EmbeddedPostgresLog {
  info(message: string): void;
  warn(message: string): void;
}

const DATABASE = 'gatehouse';
/** Held by the process that owns the cluster; ends with its connection, even after kill -9. */
const OWNER_LOCK = 0x6761_7465;
const STALE_MS = 5_000;
const FAST_SHUTDOWN_MS = 2_500;

/**
 * Starts the embedded cluster of a DATA_DIR, making it first if need be, or adopts the running one that
 * a killed server left behind. Throws EmbeddedPostgresError or DataDirError with one sentence.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const home = prepareHome(options.dataDir);
  const postgres = new EmbeddedPostgres(home, options);
  await postgres.start();
  return postgres;
}

/** One cluster under our care: watched, restarted when it dies, stopped last. */
export class EmbeddedPostgres {
  private readonly data: string;
  private readonly password: string;
  private child?: ChildProcess;
  private pid = 0;
  /** The connection that holds the owner lock; its end tells that the cluster went away. */
  private guard?: Client;
  private guardEnded: Promise<unknown> = Promise.resolve();
  private owner = false;
  private stopping = false;
  private bringing: Promise<void> = Promise.resolve();
  private logStart = 0;
  private location?: { host: string; port: number };
  private watching: Promise<void> = Promise.resolve();
  private readonly abortWait = new AbortController();
  private readonly killOnExit = (): void => this.signal('SIGINT');

  constructor(
    private readonly home: EmbeddedHome,
    private readonly options: EmbeddedPostgresOptions,
  ) {
    this.data = join(home.dir, 'data');
    this.password = readOrCreateSecretFile(join(home.dir, 'password'), () => randomBytes(24).toString('base64url'));
  }

  /** Connection URL of the database `gatehouse`; stays the same across restarts of the cluster. */
  get url(): string {
    return this.urlOf(DATABASE);
  }

  /** Set when the database had to be put outside DATA_DIR. */
  get relocatedTo(): string | undefined {
    return this.home.relocated ? this.home.dir : undefined;
  }

  /** The postmaster's process id, for tests that kill it. */
  get postmasterPid(): number {
    return this.pid;
  }

  async start(): Promise<void> {
    this.rotateLog();
    createCluster(this.home, this.password, this.options.settings);
    process.once('exit', this.killOnExit);
    try {
      await this.bringUp();
      await this.createDatabase();
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (this.owner) this.watching = this.watch();
  }

  /** Fast shutdown, awaited; call it after everything that uses the database. A shared cluster is left alone. */
  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    this.abortWait.abort();
    process.removeListener('exit', this.killOnExit);
    // A restart under way must not start the database after we have stopped it.
    await this.bringing.catch(() => undefined);
    this.signal('SIGINT');
    const deadline = Date.now() + FAST_SHUTDOWN_MS;
    while (this.isOurs() && this.running()) {
      // Without a checkpoint, but as safe: the next start replays the log.
      if (Date.now() > deadline) this.signal('SIGQUIT');
      await delay(10);
    }
    await this.guard?.end().catch(() => undefined);
    await this.watching;
  }

  private urlOf(database: string): string {
    const { host, port } = this.location!;
    if (!host.startsWith('/')) return `postgres://${DATABASE_USER}:${this.password}@${host}:${port}/${database}`;
    return `postgres://${DATABASE_USER}:${this.password}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;
  }

  /** Waits for the cluster to go away and brings it back, until stopped. */
  private async watch(): Promise<void> {
    while (!this.stopping) {
      await this.guardEnded;
      if (this.stopping) return;
      this.options.log.warn('The embedded PostgreSQL went away; starting it again.');
      for (let pause = 100; !this.stopping; pause = Math.min(pause * 2, 5_000)) {
        try {
          await this.bringUp();
          this.options.log.info('The embedded PostgreSQL is back.');
          break;
        } catch (error) {
          if (!this.stopping)
            this.options.log.warn(`The embedded PostgreSQL does not start: ${(error as Error).message}`);
          await delay(pause, undefined, { signal: this.abortWait.signal }).catch(() => undefined);
        }
      }
    }
  }

  /** Ends with a running, connected postmaster: an adopted one or a new child. */
  private bringUp(): Promise<void> {
    this.bringing = this.untilUp();
    return this.bringing;
  }

  private async untilUp(): Promise<void> {
    if (this.child && !this.childRuns()) this.child = undefined;
    const deadline = Date.now() + STALE_MS;
    for (;;) {
      const attempt = await this.tryOnce(Date.now() > deadline);
      if (attempt === 'up') return;
      if (this.stopping) throw new EmbeddedPostgresError('The embedded PostgreSQL was stopped while it started.');
      await delay(10);
    }
  }

  private async tryOnce(last: boolean): Promise<'up' | 'again'> {
    const file = readPostmasterFile(this.data);
    const found = file ? inspectPostmaster(this.data, file.pid) : 'gone';
    if (file && (found === 'server' || found === 'unknown')) {
      if (this.child && this.child.pid === file.pid && !file.ready) return 'again';
      const connected = await this.connect({ host: file.socketDir || '127.0.0.1', port: file.port }, last);
      if (!connected) return 'again';
      this.pid = file.pid;
      return 'up';
    }
    if (this.childRuns()) return 'again';
    // A predecessor may be a zombie, or its backends may be about to end: worth another try.
    if (this.child && (last || !/lock file|shared memory block/.test(this.lastLogLines()))) throw this.startFailure();
    this.removeStaleLocks();
    await this.spawn();
    return 'again';
  }

  /**
   * Connects as the owner and proves that this server is the cluster of our data directory.
   * False: not yet. Throws when it is somebody else's, or runs for another Gatehouse.
   */
  private async connect(location: { host: string; port: number }, last: boolean): Promise<boolean> {
    this.location = location;
    const client = new Client({ connectionString: this.urlOf('postgres'), application_name: 'gatehouse owner' });
    client.on('error', () => undefined);
    let answer: { id: string; locked: boolean };
    try {
      await client.connect();
      const { rows } = await client.query<typeof answer>(
        'SELECT system_identifier::text AS id, pg_try_advisory_lock($1) AS locked FROM pg_control_system()',
        [OWNER_LOCK],
      );
      answer = rows[0]!;
    } catch (error) {
      await client.end().catch(() => undefined);
      const { code, message } = error as DatabaseError;
      // 57P03: starting up, recovering or shutting down; that may take as long as it takes.
      if (!last || code === '57P03') return false;
      throw new EmbeddedPostgresError(
        `A PostgreSQL server holds ${this.data} and does not let us in (${message}); stop it and start again.`,
      );
    }
    const { id, locked } = answer;
    if (id !== systemIdentifier(this.data)) {
      await client.end();
      throw new EmbeddedPostgresError(
        `The PostgreSQL server at ${location.host} is not the one of ${this.data}; stop it and start again.`,
      );
    }
    if (!locked && !this.options.shared) {
      await client.end();
      if (!last) return false;
      throw new EmbeddedPostgresError(
        `Another Gatehouse server is running on ${this.options.dataDir}; stop it, or give this one a DATA_DIR of its own.`,
      );
    }
    this.owner = locked;
    this.guard = client;
    this.guardEnded = new Promise((done) => client.once('end', done));
    return true;
  }

  /** PostgreSQL refuses while the pid in a lock file exists at all; a zombie or a reused pid is not our postmaster. */
  private removeStaleLocks(): void {
    for (const file of [join(this.data, 'postmaster.pid'), join(this.home.dir, 'run', '.s.PGSQL.5432.lock')]) {
      const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0;
      if (pid > 0 && inspectPostmaster(this.data, pid) === 'stranger') unlinkSync(file);
    }
  }

  private async spawn(): Promise<void> {
    const listen = await this.chooseLocation();
    const log = openSync(this.logFile(), 'a', 0o600);
    this.logStart = statSync(this.logFile()).size;
    try {
      // A process group of its own: Ctrl-C in the terminal must not stop the database before the server.
      this.child = spawn(join(this.home.bin, 'postgres'), ['-D', this.data, ...listen], {
        ...asAccount(this.home.runAs),
        cwd: '/',
        env: POSTGRES_ENV,
        detached: true,
        stdio: ['ignore', log, log],
      });
      await once(this.child, 'spawn');
      this.pid = this.child.pid!;
      this.child.unref();
    } catch (error) {
      throw asDataDirError(error, this.home.bin);
    } finally {
      closeSync(log);
    }
  }

  /** A Unix socket in a private folder; loopback where the path is too long for one, or on Windows. */
  private async chooseLocation(): Promise<string[]> {
    const run = join(this.home.dir, 'run');
    if (process.platform !== 'win32' && `${run}/.s.PGSQL.5432`.length < 104) {
      if (!existsSync(run)) makeFolder(run, this.home);
      return ['-k', run, '-p', '5432', '-c', 'listen_addresses='];
    }
    const port = this.location?.port ?? (await freePort());
    return ['-c', 'unix_socket_directories=', '-p', String(port), '-c', 'listen_addresses=127.0.0.1'];
  }

  private async createDatabase(): Promise<void> {
    const { rows } = await this.guard!.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rows.length > 0) return;
    await this.guard!.query(`CREATE DATABASE ${DATABASE}`).catch((error: DatabaseError) => {
      if (error.code !== '42P04' && error.code !== '23505') throw explainOutput(error.message, this.home.dir) ?? error;
    });
  }

  private childRuns(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether stopping is our business: we hold the owner lock, or have just started it. */
  private isOurs(): boolean {
    return this.pid > 0 && (this.owner || this.child?.pid === this.pid);
  }

  private running(): boolean {
    if (this.child?.pid === this.pid) return this.childRuns();
    return inspectPostmaster(this.data, this.pid) === 'server';
  }

  private signal(signal: NodeJS.Signals): void {
    if (!this.isOurs() || !this.running()) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It ended in between.
    }
  }

  private startFailure(): Error {
    const lines = this.lastLogLines();
    return (
      explainOutput(lines, this.home.dir) ??
      new EmbeddedPostgresError(`The embedded PostgreSQL does not start: ${firstError(lines)} (see ${this.logFile()}).`)
    );
  }

  private logFile(): string {
    return join(this.home.dir, 'postgres.log');
  }

  private lastLogLines(): string {
    return existsSync(this.logFile()) ? readFileSync(this.logFile()).subarray(this.logStart).toString() : '';
  }

  private rotateLog(): void {
    if (existsSync(this.logFile()) && statSync(this.logFile()).size > 10_000_000)
      renameSync(this.logFile(), `${this.logFile()}.1`);
  }
}

/** Below the range of ephemeral ports, so that no client socket takes it while the cluster restarts. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const free = await new Promise<boolean>((done) =>
      probe.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)),
    );
    if (!free) continue;
    const { port: taken } = probe.address() as AddressInfo;
    await new Promise((done) => probe.close(done));
    return taken;
  }
}

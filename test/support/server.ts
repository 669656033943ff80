import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readPostmasterFile } from '../../libs/platform/database/postmaster.js';
import { createTestDatabase } from './database.js';
import { expectNoTrace, traceIn } from './secret-values.js';

export const TEST_MASTER_KEY = Buffer.alloc(32, 1).toString('base64');
export const TEST_ROOT_KEY = 'testrootkey0001.abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl';
export const TEST_ADMIN = { email: 'admin@example.com', password: 'correct horse battery' };

const repository = fileURLToPath(new URL('../..', import.meta.url));
const dieWithParent = new URL('die-with-parent.mjs', import.meta.url).href;

export interface ServerOptions {
  /** Default: a fresh clone of the template, dropped when the server stops. `embedded`: the server brings its own PostgreSQL. */
  databaseUrl?: string | 'embedded';
  env?: Record<string, string>;
  /** Modules loaded before the server (node --import), as absolute paths or file URLs: failpoints. Production builds have none. */
  preload?: string[];
  /** Default: a free port below 32768. */
  port?: number;
  /** Default: a fresh folder, removed when the server stops. */
  dataDir?: string;
  /** Filled with what it prints from the beginning, for a start that is to be watched. */
  logs?: string[];
}

/** A server process, listening on 127.0.0.1. */
export interface TestServer {
  url: string;
  /** Of the agents' gateway. */
  wsUrl: string;
  port: number;
  pid: number;
  databaseUrl: string;
  dataDir: string;
  /** Everything that it printed, line by line. */
  logs: string[];
  adminPassword: string;
  rootKey: string;
  /**
   * SIGTERM; resolves to the exit code. Removes what startServer made. Does nothing when it has ended. Throws when it told the value of a secret,
   * in its output, its metrics or its database (secret-values.ts).
   */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves once it is gone. Keeps the database and DATA_DIR until `stop`. */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/**
 * How long a test waits for what must come to pass: not how long it takes, which the bench measures. On a machine with nothing else to do it
 * is a hundred times what is needed; beside busy loops it still suffices.
 */
const BUDGET_MS = 300_000;

/** Starts a server as a child process and waits for `/readyz`. Throws, with its output, when it ends before that or is not ready in time. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  for (;;) {
    try {
      return await startOnce(options);
    } catch (error) {
      // Between the look for a free port and the server's own, somebody else took it.
      if (options.port !== undefined || !/is in use by another program/.test((error as Error).message)) throw error;
    }
  }
}

async function startOnce(options: ServerOptions): Promise<TestServer> {
  const database = options.databaseUrl === undefined ? await createTestDatabase() : undefined;
  const databaseUrl = database?.url ?? (options.databaseUrl === 'embedded' ? '' : options.databaseUrl!);
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-server-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
  const dataDir = options.dataDir ?? join(folder, 'data');
  const port = options.port ?? (await freePort());
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOST: '127.0.0.1',
    PORT: String(port),
    EDGE_PORT: '0',
    RAW_PORTS: '1-65535',
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    MASTER_KEY: TEST_MASTER_KEY,
    ADMIN_EMAIL: TEST_ADMIN.email,
    ADMIN_PASSWORD: TEST_ADMIN.password,
    ROOT_API_KEY: TEST_ROOT_KEY,
    LOG_LEVEL: 'warn',
    ...options.env,
  };
  const imports = [dieWithParent, ...(options.preload ?? [])].flatMap((module) => ['--import', module]);
  // Failpoints wrap methods of modules, which the bundle has copies of.
  const program = options.preload ? 'dist/src/main.js' : 'dist/server/main.js';
  const child = spawn(process.execPath, [...imports, join(repository, program)], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  const ended = once(child, 'exit').then(() => void running.delete(child));
  const logs = options.logs ?? [];
  let telling = '';
  for (const stream of [child.stdout!, child.stderr!])
    collectLines(stream, (line) => {
      logs.push(line);
      if (telling === '' && traceIn(line) !== undefined) telling = line;
    });

  const cleanUp = async (): Promise<void> => {
    // A server that was killed leaves its own PostgreSQL running.
    const orphan = readPostmasterFile(join(dataDir, 'postgres', 'data'))?.pid;
    if (orphan && options.dataDir === undefined) process.kill(orphan, 'SIGQUIT');
    rmSync(folder, { recursive: true, force: true });
    await database?.drop();
  };
  const scheme = env['TLS_CERT_FILE'] ? 's' : '';
  const url = `http${scheme}://127.0.0.1:${port}`;
  const server: TestServer = {
    url,
    wsUrl: `ws${scheme}://127.0.0.1:${port}/api/v1/ws`,
    port,
    pid: child.pid!,
    databaseUrl,
    dataDir,
    logs,
    adminPassword: env['ADMIN_PASSWORD']!,
    rootKey: env['ROOT_API_KEY']!,
    async stop() {
      const metrics = running.has(child) && env['METRICS_PORT'] ? await metricsOf(env['METRICS_PORT']) : '';
      if (running.has(child)) child.kill('SIGTERM');
      await ended;
      await cleanUp();
      expectNoTrace('the metrics of a server', metrics);
      expectNoTrace('what a server printed', telling);
      return child.exitCode;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
  for (const deadline = Date.now() + BUDGET_MS; !(await isReady(url)); await delay(20)) {
    const runs = running.has(child);
    if (runs && Date.now() < deadline) continue;
    child.kill('SIGKILL');
    await ended;
    await cleanUp();
    throw new Error(
      `The server ${runs ? 'was not ready in time' : `ended with ${child.exitCode ?? child.signalCode}`}:\n${logs.join('\n')}`,
    );
  }
  return server;
}

/** A port nobody listens on, below the range of ephemeral client ports. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const probe = createServer();
    const free = await new Promise<boolean>((done) =>
      probe.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)),
    );
    if (!free) continue;
    await new Promise((done) => probe.close(done));
    return port;
  }
}

/** Waits until `condition` answers something true, and answers that. Throws, with the condition and its last answer, when it never does. */
export async function until<T>(
  condition: () => T | Promise<T>,
  everyMs = 20,
): Promise<Exclude<T, false | null | undefined>> {
  const asked = new Error(`Waited ${BUDGET_MS / 1000} s for ${condition.toString()}`);
  for (const deadline = Date.now() + BUDGET_MS; ; await delay(everyMs)) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    if (Date.now() < deadline) continue;
    asked.message += `\nLast answer: ${JSON.stringify(value)}`;
    throw asked;
  }
}

function isReady(url: string): Promise<boolean> {
  const get = url.startsWith('https') ? https.get : http.get;
  return new Promise((done) => {
    get(`${url}/readyz`, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      done(response.statusCode === 200);
    }).on('error', () => done(false));
  });
}

/** Nothing of a server that was stopped in another way and does not answer. */
const metricsOf = (port: string): Promise<string> =>
  fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(10_000) }).then(
    (response) => response.text(),
    () => '',
  );

function collectLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    parts.forEach(take);
  });
  stream.on('end', () => rest && take(rest));
}

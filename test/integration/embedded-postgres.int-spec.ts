import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimDataDir } from '../../libs/platform/config/data-dir.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../libs/platform/database/embedded-postgres.js';
import { systemIdentifier } from '../../libs/platform/database/postmaster.js';
import { isAlive } from '../../libs/platform/runtime/is-alive.mjs';
import { queryDatabase } from '../support/database.js';
import { until } from '../support/server.js';

const root = process.getuid?.() === 0;
const log = { info: () => undefined, warn: () => undefined };

let folder: string;
const started: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];
const left: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-pg-'));
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const postgres of started.splice(0)) await postgres.stop();
  for (const path of [folder, ...left.splice(0)]) rmSync(path, { recursive: true, force: true });
});

async function start(dataDir: string, shared = false): Promise<EmbeddedPostgres> {
  claimDataDir(dataDir);
  const postgres = await startEmbeddedPostgres({ dataDir, log, shared });
  started.push(postgres);
  if (postgres.relocatedTo) left.push(postgres.relocatedTo);
  return postgres;
}

/** The same in a process of its own, as `uid`. */
async function startApart(
  dataDir: string,
  uid?: number,
): Promise<{ child: ChildProcess; pid: number; url: string; relocatedTo?: string; message?: string }> {
  const script = fileURLToPath(new URL('../support/run-postgres.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  children.push(child);
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  const answer = JSON.parse(line) as { pid: number; url: string; relocatedTo?: string; message?: string };
  if (answer.relocatedTo) left.push(answer.relocatedTo);
  return { child, ...answer };
}

const answers = (url: string): Promise<boolean> =>
  queryDatabase(url, 'SELECT 1').then(
    () => true,
    () => false,
  );

describe('the embedded PostgreSQL', () => {
  it('keeps every promise of durability, and asks every user of the machine for a password', async () => {
    const postgres = await start(join(folder, 'data'));
    const rows = await queryDatabase<{ name: string; setting: string }>(
      postgres.url,
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'listen_addresses') ORDER BY name`,
    );
    expect(rows.map(({ name, setting }) => `${name}=${setting}`)).toEqual([
      'fsync=on',
      'full_page_writes=on',
      'listen_addresses=',
      'synchronous_commit=on',
    ]);
    expect(statSync(join(folder, 'data/postgres/password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'data/postgres/run')).mode & 0o777).toBe(0o700);
    const rules = await queryDatabase<{ auth_method: string }>(
      postgres.url,
      'SELECT DISTINCT auth_method FROM pg_hba_file_rules',
    );
    expect(rules).toEqual([{ auth_method: 'scram-sha-256' }]);
    const guess = new URL(postgres.url);
    guess.password = 'guess';
    await expect(queryDatabase(guess.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('comes back at the same address after kill -9, with what was committed', async () => {
    const postgres = await start(join(folder, 'data'));
    await queryDatabase(postgres.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    const { url, postmasterPid } = postgres;
    process.kill(postmasterPid, 'SIGKILL');
    await until(() => postgres.postmasterPid !== postmasterPid && answers(url));
    expect(postgres.url).toBe(url);
    expect(await queryDatabase(url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  it('is gone after stop, and starts again on the same data', async () => {
    const first = await start(join(folder, 'data'));
    await queryDatabase(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.stop();
    expect(existsSync(join(folder, 'data/postgres/data/postmaster.pid'))).toBe(false);
    const second = await start(join(folder, 'data'));
    expect(await queryDatabase(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  it('adopts the postmaster that a killed server left, watches it and stops it', async () => {
    const dataDir = join(folder, 'data');
    const before = await startApart(dataDir);
    before.child.kill('SIGKILL');
    await once(before.child, 'exit');
    expect(await answers(before.url)).toBe(true);

    const postgres = await start(dataDir);
    expect(postgres.postmasterPid).toBe(before.pid);
    process.kill(before.pid, 'SIGKILL');
    await until(() => postgres.postmasterPid !== before.pid && answers(postgres.url));
    await postgres.stop();
    expect(await answers(postgres.url)).toBe(false);
  });

  it('starts after kill -9 of both', async () => {
    const dataDir = join(folder, 'data');
    const before = await startApart(dataDir);
    before.child.kill('SIGKILL');
    process.kill(before.pid, 'SIGKILL');
    await once(before.child, 'exit');
    const postgres = await start(dataDir);
    expect(await answers(postgres.url)).toBe(true);
  });

  it('is not taken over from a server that runs; a tool may share it and leaves it running', async () => {
    const dataDir = join(folder, 'data');
    const postgres = await start(dataDir);
    await expect(startEmbeddedPostgres({ dataDir, log })).rejects.toThrow(/Another Gatehouse server is running on/);
    const tool = await start(dataDir, true);
    expect(await answers(tool.url)).toBe(true);
    await tool.stop();
    expect(await answers(postgres.url)).toBe(true);
  });

  it("does not adopt another cluster's postmaster, whatever postmaster.pid says", async () => {
    const other = await start(join(folder, 'other'));
    const first = await start(join(folder, 'data'));
    await first.stop();
    cpSync(join(folder, 'other/postgres/data/postmaster.pid'), join(folder, 'data/postgres/data/postmaster.pid'));
    const postgres = await start(join(folder, 'data'));
    const [row] = await queryDatabase<{ id: string }>(
      postgres.url,
      'SELECT system_identifier::text AS id FROM pg_control_system()',
    );
    expect(row!.id).toBe(systemIdentifier(join(folder, 'data/postgres/data')));
    expect(isAlive(other.postmasterPid)).toBe(true);
    expect(postgres.postmasterPid).not.toBe(other.postmasterPid);
  });

  it('says in one sentence that the data is not a cluster, or of another version', async () => {
    mkdirSync(join(folder, 'data'));
    claimDataDir(join(folder, 'data'));
    mkdirSync(join(folder, 'data/postgres/data'), { recursive: true });
    writeFileSync(join(folder, 'data/postgres/data/letter.txt'), 'x');
    await expect(start(join(folder, 'data'))).rejects.toThrow(/is not a PostgreSQL data directory/);
    writeFileSync(join(folder, 'data/postgres/data/PG_VERSION'), '15\n');
    await expect(start(join(folder, 'data'))).rejects.toThrow(/was made by PostgreSQL 15/);
  });
});

// These change user, which only root may.
describe.runIf(root)('the embedded PostgreSQL, as whom and where', () => {
  it('runs as another account under root, and root-only files stay root-only', async () => {
    const postgres = await start(join(folder, 'data'));
    expect(postgres.relocatedTo).toBeUndefined();
    expect(statSync(join(folder, 'data/postgres/data')).uid).not.toBe(0);
    expect(statSync(join(folder, 'data/postgres/password')).uid).toBe(0);
  });

  it('moves below /var/lib/gatehouse when DATA_DIR lies under a 0700 folder, and says so in DATA_DIR', async () => {
    chmodSync(folder, 0o700);
    const dataDir = join(folder, 'data');
    const postgres = await start(dataDir);
    expect(postgres.relocatedTo).toMatch(/^\/var\/lib\/gatehouse\/[0-9a-f]{16}/);
    expect(readFileSync(join(dataDir, 'postgres-location'), 'utf8').trim()).toBe(postgres.relocatedTo);
    await queryDatabase(postgres.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await postgres.stop();

    renameSync(dataDir, join(folder, 'moved'));
    const moved = await start(join(folder, 'moved'));
    expect(await queryDatabase(moved.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await moved.stop();

    cpSync(join(folder, 'moved'), join(folder, 'copy'), { recursive: true });
    await expect(start(join(folder, 'copy'))).rejects.toThrow(/is a copy of .*moved/);
  });

  it('gives a new clone at an old path a database of its own', async () => {
    chmodSync(folder, 0o700);
    const first = await start(join(folder, 'data'));
    await first.stop();
    rmSync(join(folder, 'data'), { recursive: true });
    const second = await start(join(folder, 'data'));
    expect(second.relocatedTo).toBe(`${first.relocatedTo}-2`);
  });

  it('runs for an ordinary user', async () => {
    chownSync(folder, 65534, 65534);
    const { url, child } = await startApart(join(folder, 'data'), 65534);
    expect(await answers(url)).toBe(true);
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(await answers(url)).toBe(false);
  });

  it('tells a user without a passwd entry what to do', async () => {
    chownSync(folder, 54_321, 54_321);
    const { message } = await startApart(join(folder, 'data'), 54_321);
    expect(message).toMatch(/uid 54321.*no passwd entry.*DATABASE_URL/);
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { claimDataDir } from '../../libs/platform/config/data-dir.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../libs/platform/database/embedded-postgres.js';
import { migrate } from '../../libs/platform/database/migrate.js';
import { MIGRATIONS } from '../../src/schema.js';
import { expectNoTrace } from './secret-values.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The migrated template database; clone it with createTestDatabase. */
    templateUrl: string;
  }
}

interface Cluster {
  users: number;
  started: Promise<{ postgres: EmbeddedPostgres; folder: string; watchdog: ChildProcess }>;
}

// The integration and e2e projects run in one process and share one cluster.
const shared = globalThis as typeof globalThis & { gatehouseTestCluster?: Cluster };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.gatehouseTestCluster ??= { users: 0, started: startCluster() };
  const cluster = shared.gatehouseTestCluster;
  cluster.users++;
  const { postgres } = await cluster.started;
  project.provide('templateUrl', postgres.url);
  return async () => {
    if (--cluster.users > 0) return;
    delete shared.gatehouseTestCluster;
    const { folder, watchdog } = await cluster.started;
    await postgres.stop();
    const log = readFileSync(join(postgres.relocatedTo ?? join(folder, 'data', 'postgres'), 'postgres.log'), 'utf8');
    for (const path of [folder, postgres.relocatedTo]) if (path) rmSync(path, { recursive: true, force: true });
    watchdog.stdin!.end();
    expectNoTrace('the log of PostgreSQL', log);
  };
}

async function startCluster(): Promise<Awaited<Cluster['started']>> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  claimDataDir(dataDir);
  // Root runs PostgreSQL as another account, which must get through.
  chmodSync(folder, 0o711);
  const quiet = { info: () => undefined, warn: (message: string) => console.warn(message) };
  const postgres = await startEmbeddedPostgres({ dataDir, log: quiet, settings: { max_connections: '400' } });
  await migrate(postgres.url, MIGRATIONS);
  const folders = [folder, ...(postgres.relocatedTo ? [postgres.relocatedTo] : [])];
  const script = new URL('watchdog.mjs', import.meta.url).pathname;
  const watchdog = spawn(process.execPath, [script, String(postgres.postmasterPid), ...folders], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchdog.unref();
  return { postgres, folder, watchdog };
}

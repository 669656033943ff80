import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEmptyDatabase } from '../support/database.js';
import { startServer, TEST_MASTER_KEY, until } from '../support/server.js';

const program = (path: string) => fileURLToPath(new URL(`../../dist/${path}/main.js`, import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-stopped-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Begins a first start in `folder`.
 * @param failpoint wraps a module of the server, which runs from single files then
 * @returns its process, and what it ended with
 */
function begin(env: Record<string, string>, failpoint?: string) {
  const words = failpoint ? ['--import', failpoint, program('src')] : [program('server')];
  const child = spawn(process.execPath, words, {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', EDGE_PORT: '0', LOG_LEVEL: 'silent', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const end = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr }));
  return { child, end };
}

describe('a start that is stopped', () => {
  it.each(['master.key', 'postgres/data/PG_VERSION', 'postgres/data/postmaster.pid'])(
    'at its %s ends without a word, leaves no database running, and is made up for by the next one',
    async (file) => {
      const dataDir = join(folder, 'data');
      const { child, end } = begin({ DATA_DIR: dataDir });
      await until(() => existsSync(join(dataDir, file)));
      child.kill('SIGTERM');
      expect(await end).toEqual({ code: 0, stderr: '' });
      await until(() => !existsSync(join(dataDir, 'postgres/data/postmaster.pid')));
      const next = await startServer({ databaseUrl: 'embedded', dataDir, env: { MASTER_KEY: '' } });
      try {
        expect((await fetch(`${next.url}/readyz`)).status).toBe(200);
      } finally {
        await next.stop();
      }
    },
  );

  it('in the middle of its first run ends without a word', async () => {
    const database = await createEmptyDatabase();
    try {
      const failpoint = new URL('../support/failpoints/stopped-in-first-run.mjs', import.meta.url).href;
      const env = { DATABASE_URL: database.url, MASTER_KEY: TEST_MASTER_KEY };
      expect(await begin(env, failpoint).end).toEqual({ code: 0, stderr: '' });
    } finally {
      await database.drop();
    }
  });
});

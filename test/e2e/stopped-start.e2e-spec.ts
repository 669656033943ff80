import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startServer, until } from '../support/server.js';

const main = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-stopped-'));
  // PostgreSQL under root runs as another account, which must get through.
  chmodSync(folder, 0o711);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a start that is stopped', () => {
  it.each(['master.key', 'postgres/data/PG_VERSION', 'postgres/data/postmaster.pid'])(
    'at its %s ends without a word, leaves no database running, and is made up for by the next one',
    async (file) => {
      const dataDir = join(folder, 'data');
      const env = { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'silent' };
      const child = spawn(process.execPath, [main], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
      let stderr = '';
      child.stderr.on('data', (chunk) => (stderr += chunk));
      await until(() => existsSync(join(dataDir, file)));
      child.kill('SIGTERM');
      const [code] = (await once(child, 'close')) as [number];
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      await until(() => !existsSync(join(dataDir, 'postgres/data/postmaster.pid')));
      const next = await startServer({ databaseUrl: 'embedded', dataDir, env: { MASTER_KEY: '' } });
      try {
        expect((await fetch(`${next.url}/readyz`)).status).toBe(200);
      } finally {
        await next.stop();
      }
    },
  );
});

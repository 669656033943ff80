import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createEmptyDatabase } from '../support/database.js';
import { startServer } from '../support/server.js';

const unanswered = new URL('../support/failpoints/first-run-unanswered.mjs', import.meta.url).href;

it('a first run whose commit is not answered says so in a sentence, and the secrets that it made are kept', async () => {
  const database = await createEmptyDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-first-run-'));
  const options = { databaseUrl: database.url, dataDir, env: { ROOT_API_KEY: '' } };
  try {
    const logs: string[] = [];
    await expect(startServer({ ...options, logs, preload: [unanswered] })).rejects.toThrow('ended with 1');
    expect(logs).toContain('The database went away meanwhile; try again once it answers.');

    const server = await startServer(options);
    try {
      const rootKey = /Root API key +(\S+)/.exec(readFileSync(join(dataDir, 'first-run.txt'), 'utf8'))![1]!;
      const answer = await fetch(`${server.url}/api/v1/orgs`, { headers: { authorization: `Bearer ${rootKey}` } });
      expect(answer.status).toBe(200);
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(dataDir, { recursive: true });
    await database.drop();
  }
});

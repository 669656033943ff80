// Starts the embedded database of the DATA_DIR given, prints one line of JSON, and waits to be ended.

import { claimDataDir, startEmbeddedPostgres } from '#platform';

const log = { info: () => undefined, warn: () => undefined };
try {
  const [, , dataDir] = process.argv;
  if (!dataDir) throw new Error('usage: run-postgres.mjs DATA_DIR');
  claimDataDir(dataDir);
  const postgres = await startEmbeddedPostgres({ dataDir, log });
  console.log(JSON.stringify({ pid: postgres.postmasterPid, url: postgres.url, relocatedTo: postgres.relocatedTo }));
  process.once('SIGTERM', () => void postgres.stop());
} catch (error) {
  console.log(JSON.stringify({ error: error.name, message: error.message }));
}

// `npm run openapi`: writes docs/openapi.json, the document of a server that was just built. A test compares it with the code.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, setUp } from './setup.mjs';

await setUp();
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-openapi-'));
// PostgreSQL does not run as root; under root it is another account that must get through.
chmodSync(folder, 0o711);
const port = 10_000 + Math.floor(Math.random() * 22_000);
const server = spawn(process.execPath, [join(root, 'dist/server/main.js')], {
  env: {
    PATH: process.env.PATH,
    HOST: '127.0.0.1',
    PORT: String(port),
    EDGE_PORT: '0',
    DATA_DIR: join(folder, 'data'),
    LOG_LEVEL: 'warn',
  },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const ended = once(server, 'exit');
/** @type {{ paths: object } | undefined} */
let document;
while (!document && server.exitCode === null) {
  document = await fetch(`http://127.0.0.1:${port}/api/openapi.json`).then(
    (r) => (r.ok ? /** @type {Promise<{ paths: object }>} */ (r.json()) : undefined),
    () => undefined,
  );
  if (!document) await new Promise((done) => setTimeout(done, 100));
}
server.kill('SIGTERM');
await ended;
rmSync(folder, { recursive: true, force: true });
if (!document) process.exit(1);
mkdirSync(join(root, 'docs'), { recursive: true });
writeFileSync(join(root, 'docs/openapi.json'), `${JSON.stringify(document, null, 1)}\n`);
console.log(`docs/openapi.json: ${Object.keys(document.paths).length} paths`);

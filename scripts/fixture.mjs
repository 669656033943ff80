// `npm run fixture`: writes test/fixtures/<version>.sql and .json, a small database of the version checked out, and <version>.openapi.json.
// Run once for each release, on its commit: every migration of later versions runs over the database
// (test/integration/migrations.int-spec.ts), and the API of later versions is compared with the document (test/openapi-diff.spec.ts).
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { setUp } from './setup.mjs';

await setUp();
process.exitCode =
  spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/fixtures/vitest.config.ts'], {
    stdio: 'inherit',
  }).status ?? 1;
if (process.exitCode === 0) {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  copyFileSync('docs/openapi.json', `test/fixtures/${version}.openapi.json`);
}

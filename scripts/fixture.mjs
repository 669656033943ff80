// `npm run fixture`: writes test/fixtures/<version>.sql and .json, a small database of the version checked out. Run once for each release, on its
// commit; every migration of later versions runs over it (test/integration/migrations.int-spec.ts).
import { spawnSync } from 'node:child_process';
import { setUp } from './setup.mjs';

setUp();
process.exitCode =
  spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/fixtures/vitest.config.ts'], {
    stdio: 'inherit',
  }).status ?? 1;

// `npm run pictures`: every page of the dashboard, light and dark, on a desk and on a phone, into screenshots/pages, for people to look at; and the three of the README anew.
import { spawnSync } from 'node:child_process';
import { help, setUp } from './setup.mjs';

help('npm run pictures');
await setUp();
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'browser', 'test/browser/every-page.browser-spec.ts'],
  { stdio: 'inherit', env: { ...process.env, PICTURES: '1' } },
);
process.exitCode = status ?? 1;

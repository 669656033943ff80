// `npm run admin -- …`: see src/first-run/admin-usage.txt for the commands. Asked for them, it builds and touches nothing.
import { readFileSync } from 'node:fs';
import { help, setUp } from './setup.mjs';

help(readFileSync(new URL('../src/first-run/admin-usage.txt', import.meta.url), 'utf8').trimEnd());
await setUp();
await import(new URL('../dist/server/admin.js', import.meta.url).href);

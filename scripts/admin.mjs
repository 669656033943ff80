// `npm run admin -- …`: see src/bootstrap/admin-usage.txt for the commands. Asked for them, it builds and touches nothing.
import { readFileSync } from 'node:fs';
import { setUp } from './setup.mjs';

if (process.argv.slice(2).some((argument) => ['--help', '-h', 'help'].includes(argument))) {
  process.stdout.write(readFileSync(new URL('../src/bootstrap/admin-usage.txt', import.meta.url), 'utf8'));
} else {
  setUp();
  await import('../dist/src/admin.js');
}

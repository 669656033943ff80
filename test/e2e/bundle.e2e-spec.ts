import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));

// Compiled anew, a server needs a second more to start (docs/adr/0105).
it.each([
  ['main', 'as it is started by `npm start`', ['--max-semi-space-size=32']],
  ['main', 'without flags', []],
  ['admin', 'without flags', []],
])('V8 takes what the build compiled: %s, %s', (name, _how, flags) => {
  const load = `const { loadBundle } = await import('./dist/src/bundle.js');
    console.log(loadBundle(${JSON.stringify(join(repository, `dist/server/${name}.cjs`))}).script.cachedDataRejected);
    process.exit();`;
  const run = [...flags, '--input-type=module', '--eval', load];
  expect(execFileSync(process.execPath, run, { cwd: repository, encoding: 'utf8' })).toBe('false\n');
});

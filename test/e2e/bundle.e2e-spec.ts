import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));

// Compiled anew, a server needs a second more to start (docs/adr/0105).
it.each([
  ['main', 'as it is started by `npm start`', ['--max-semi-space-size=32']],
  ['main', 'without flags', []],
  ['admin', 'without flags', []],
])('V8 takes what the build compiled, and knows its place: %s, %s', (name, _how, flags) => {
  const file = join(repository, `dist/server/${name}.cjs`);
  const load = `const { Session } = await import('node:inspector');
    const { loadBundle } = await import('./dist/src/bundle.js');
    console.log(loadBundle(${JSON.stringify(file)}).script.cachedDataRejected);
    const session = new Session();
    session.connect();
    session.on('Debugger.scriptParsed', ({ params: { url } }) => url.endsWith('.cjs') && console.log(url));
    session.post('Debugger.enable', () => process.exit());`;
  const run = [...flags, '--input-type=module', '--eval', load];
  const told = execFileSync(process.execPath, run, { cwd: repository, encoding: 'utf8' });
  expect(told).toBe(`false\n${pathToFileURL(file).href}\n`);
});

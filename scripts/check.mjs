// `npm run check`: form and lint (Biome), then the types of everything that is written by hand. `npm test` begins with it.
import { spawnSync } from 'node:child_process';
import { setUp } from './setup.mjs';

const STEPS = [
  ['Format and lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']],
  ['Types of sources and tests', 'node_modules/typescript/bin/tsc', ['--noEmit', '-p', 'tsconfig.json']],
];

/** Runs every step, with its output on the terminal. Returns false when one of them found something. */
export function check() {
  return STEPS.map(([what, program, args]) => {
    const { status } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' });
    if (status !== 0) console.log(`${what}: not as it should be. \`npm run format\` mends what is only form.`);
    return status === 0;
  }).every(Boolean);
}

if (import.meta.url === `file://${process.argv[1]}`) {
  setUp();
  process.exitCode = check() ? 0 : 1;
}

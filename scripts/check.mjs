// `npm run check`: form and lint (Biome), then the types of everything that is written by hand. `npm test` begins with it.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';

const TYPES_KNOWN = ['--tsBuildInfoFile', 'dist/.tsbuildinfo-check'];

/** @type {[what: string, program: string, args: string[]][]} */
const STEPS = [
  ['Format and lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']],
  // What it knows of the last time is its own: that of the build is of other files.
  [
    'Types of sources and tests',
    'node_modules/typescript/bin/tsc',
    ['--noEmit', '-p', 'tsconfig.json', ...TYPES_KNOWN],
  ],
  ['Types of the dashboard', 'node_modules/typescript/bin/tsc', ['-p', 'libs/dashboard/tsconfig.json']],
  ['Types of scripts', 'node_modules/typescript/bin/tsc', ['-p', 'tsconfig.scripts.json']],
];

/** Runs every step, with its output on the terminal. Returns false when one of them found something. */
export function check() {
  return STEPS.map(([what, program, args]) => {
    const { status } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' });
    if (status !== 0) console.log(`${what}: not as it should be. \`npm run format\` mends what is only form.`);
    return status === 0;
  }).every(Boolean);
}

const [, started] = process.argv;
if (started && realpathSync(started) === fileURLToPath(import.meta.url)) {
  await setUp();
  process.exitCode = check() ? 0 : 1;
}

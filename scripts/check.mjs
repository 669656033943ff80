// `npm run check`: form and lint (Biome), then the types of everything that is written by hand. `npm test` begins with it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

/** Runs the steps beside each other; each prints what it found when it is over. Resolves with false when one found something. */
export async function check() {
  return (await Promise.all(STEPS.map(passes))).every(Boolean);
}

/** @param {[what: string, program: string, args: string[]]} step */
async function passes([what, program, args]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const [status] = await once(child, 'close');
  if (status !== 0) output += `${what}: not as it should be. \`npm run format\` mends what is only form.\n`;
  process.stdout.write(output);
  return status === 0;
}

const [, started] = process.argv;
if (started && realpathSync(started) === fileURLToPath(import.meta.url)) {
  await setUp();
  process.exitCode = (await check()) ? 0 : 1;
}

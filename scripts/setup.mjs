// What every script does first: a good Node, installed packages, a current build. Plain Node, no packages.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const SAY_EVERY_MS = 10_000;

/**
 * What is built, each from its own sources: a change of a page does not compile the server.
 * @type {{ name: string, folders: string[], files: string[], steps: [what: string, duration: string, script: string, ...args: string[]][] }[]}
 */
const PRODUCTS = [
  {
    name: 'server',
    folders: [
      'src',
      'libs/agent',
      'libs/blueprint',
      'libs/bootstrap',
      'libs/checks',
      'libs/contracts',
      'libs/document',
      'libs/platform',
    ],
    files: [
      'nest-cli.json',
      'tsconfig.json',
      'tsconfig.build.json',
      'scripts/build-server.mjs',
      'scripts/build-agent.mjs',
    ],
    steps: [
      ['Building the server', 'about a minute', 'node_modules/@nestjs/cli/bin/nest.js', 'build'],
      ['Bundling the server', 'a few seconds', 'scripts/build-server.mjs'],
      ['Building the agent', 'a few seconds', 'scripts/build-agent.mjs'],
    ],
  },
  {
    name: 'dashboard',
    folders: ['libs/dashboard', 'libs/blueprint', 'libs/bootstrap', 'libs/contracts', 'libs/document'],
    files: ['docs/openapi.json', 'tsconfig.json', 'scripts/build-dashboard.mjs'],
    steps: [['Building the dashboard', 'a few seconds', 'scripts/build-dashboard.mjs']],
  },
];

/** Ends the process with one sentence. @returns {never} */
export function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** Asked for help, prints the usage and ends the process, before anything is installed, built or run. */
export function help(usage) {
  if (!process.argv.slice(2).some((argument) => ['--help', '-h', 'help'].includes(argument))) return;
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}

/** Node, packages and build, whatever of them is missing or out of date. */
export async function setUp() {
  process.chdir(root);
  checkNode();
  if (!isInstalled()) await install();
  for (const product of PRODUCTS) if (!isBuilt(product)) await buildProduct(product);
}

/** Ends the process, with a sentence, where Node is too old. */
export function checkNode() {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8'));
  const [major, minor] = engines.node.replace('>=', '').split('.').map(Number);
  const [haveMajor = 0, haveMinor = 0] = process.versions.node.split('.').map(Number);
  if (haveMajor < major || (haveMajor === major && haveMinor < minor)) {
    fail(`Gatehouse needs Node ${major}.${minor} or newer; this is ${process.versions.node}.`);
  }
}

/** Compares the lockfile with the list that npm leaves in node_modules when an installation is complete. */
function isInstalled() {
  const listed = readJson('package-lock.json');
  const present = readJson('node_modules/.package-lock.json');
  if (!listed || !present) return false;
  return Object.entries(listed.packages).every(([path, wanted]) => {
    if (!path.startsWith('node_modules/') || wanted.link) return true;
    const found = present.packages[path];
    if (!found) return wanted.optional === true && !isForThisMachine(wanted);
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

function isForThisMachine({ os, cpu, libc }) {
  return Boolean(os?.includes(process.platform) && cpu?.includes(process.arch) && !libc);
}

async function install() {
  // Started by `npm …`, npm says where it is; the shell finds it otherwise.
  const npm = process.env.npm_execpath;
  const args = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const [command, all] = npm?.endsWith('.js') ? [process.execPath, [npm, ...args]] : ['npm', args];
  await run('Installing the packages', 'about a minute, by the network', command, all);
}

const stampFile = (product) => join(root, 'dist', `.${product.name}-stamp`);

function isBuilt(product) {
  const file = stampFile(product);
  return existsSync(file) && readFileSync(file, 'utf8') === sourceStamp(product);
}

/** Builds everything: the server, the agent's bundle, the dashboard; ends the process when that fails. */
export async function build() {
  for (const product of PRODUCTS) await buildProduct(product);
}

async function buildProduct(product) {
  const stamp = sourceStamp(product);
  rmSync(stampFile(product), { force: true });
  for (const [what, duration, ...command] of product.steps) await run(what, duration, process.execPath, command);
  removeOrphans(join(root, 'dist'));
  writeFileSync(stampFile(product), stamp);
}

/** Changes with the content of anything that the build of the product reads. What a build makes itself (`*.gen.ts`) is no source. */
function sourceStamp({ folders, files }) {
  const hash = createHash('sha256');
  const below = folders.flatMap(filesBelow).filter((file) => !/\.(spec|gen)\.ts$/.test(file));
  const shared = ['package.json', 'package-lock.json', 'scripts/setup.mjs'];
  for (const file of [...below, ...files, ...shared].sort()) {
    const content = readFileSync(file);
    hash.update(`${file}\n${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

/** What the compiler left of sources that are gone; a stale module must not be found by anything. */
function removeOrphans(dist) {
  for (const file of ['src', 'libs'].map((name) => join(dist, name)).flatMap(filesBelow)) {
    const source = relative(dist, file).replace(/\.(js|js\.map|d\.ts)$/, '.ts');
    if (source.endsWith('.ts') && !existsSync(join(root, source))) rmSync(file);
  }
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules')
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]));
}

/**
 * Says what it does and about how long that takes, every ten seconds that it still does (an interval that suits a log too), and when it is
 * done. The output of the command is kept to itself, unless it failed: then all of it is shown, or one sentence that explains it.
 *
 * @param {string} what
 * @param {string} duration
 * @param {string} command
 * @param {string[]} args
 */
async function run(what, duration, command, args) {
  console.log(`${what} (${duration}) …`);
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  const alive = setInterval(() => console.log(`  at it for ${seconds()} s …`), SAY_EVERY_MS);
  const { status, output } = await outputOf(command, args);
  clearInterval(alive);
  if (status === 0) return console.log(`  done in ${seconds()} s`);
  if (/ENOSPC|no space left on device/i.test(output)) fail(`${what} failed: the disk is full.`);
  process.stderr.write(output);
  fail(`${what} failed; what it said stands above.`);
}

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<{ status: number | null, output: string }>}
 */
function outputOf(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((done) => {
    child.once('error', (error) => done({ status: null, output: `${output}${error.message}\n` }));
    child.once('close', (status) => done({ status, output }));
  });
}

function readJson(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

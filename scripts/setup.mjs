// What every script does first: a good Node, installed packages, a current build. Plain Node, no packages.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stampFile = join(root, 'dist', '.build-stamp');

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
export function setUp() {
  process.chdir(root);
  checkNode();
  if (!isInstalled()) install();
  if (!isBuilt()) build();
}

function checkNode() {
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

function install() {
  console.log('Installing packages …');
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
  run('Installing the packages', command, all);
}

function isBuilt() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === sourceStamp();
}

/** Builds the server and the agent's bundle; ends the process when that fails. */
export function build() {
  console.log('Building …');
  const stamp = sourceStamp();
  rmSync(stampFile, { force: true });
  run('Building the server', process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'build']);
  removeOrphans(join(root, 'dist'));
  if (existsSync('scripts/build-agent.mjs')) run('Building the agent', process.execPath, ['scripts/build-agent.mjs']);
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** Changes with the content of anything that the build reads. */
function sourceStamp() {
  const hash = createHash('sha256');
  const files = ['src', 'libs'].flatMap(filesBelow).filter((file) => !file.endsWith('.spec.ts'));
  const others = [
    'package.json',
    'package-lock.json',
    'nest-cli.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/setup.mjs',
    'scripts/build-agent.mjs',
  ];
  for (const file of [...files.sort(), ...others.filter((name) => existsSync(name))]) {
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

/** Quiet while all is well; the whole output, or one sentence that explains it, when it is not. */
function run(what, command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status === 0) return;
  const output = `${stdout ?? ''}${stderr ?? ''}${error ? `${error.message}\n` : ''}`;
  if (/ENOSPC|no space left on device/i.test(output)) fail(`${what} failed: the disk is full.`);
  process.stderr.write(output);
  fail(`${what} failed; what it said stands above.`);
}

function readJson(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

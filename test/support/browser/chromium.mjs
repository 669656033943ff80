// A browser for tests and the bench, which plain Node runs.
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
const UNPACKED = fileURLToPath(new URL('../../../node_modules/.cache/gatehouse', import.meta.url));
const WHAT_TO_DO = 'Install Chromium (Debian: `apt-get install chromium`), or set CHROMIUM_PATH.';

/**
 * A browser: CHROMIUM_PATH, else an installed one, else the one that the package @sparticuz/chromium carries (linux x64).
 * @param {string[]} [args] more of its command line
 * @returns {Promise<import('playwright-core').Browser>}
 * @throws with what to install, where none can run: a suite without a browser has proved nothing
 */
export async function launchBrowser(args = []) {
  const executablePath = process.env.CHROMIUM_PATH || installed() || (await carried());
  try {
    return await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-background-networking', '--disable-dev-shm-usage', ...args],
    });
  } catch (error) {
    throw new Error(`${executablePath} does not start. ${WHAT_TO_DO}\n${/** @type {Error} */ (error).message}`);
  }
}

/** @returns {string | undefined} */
function installed() {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), ...APPLICATIONS].find(existsSync);
}

/**
 * Unpacked here, not by the package: that takes for unpacked what another process is still writing, or was killed at.
 * @returns {Promise<string>}
 */
async function carried() {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error(`There is no Chromium. ${WHAT_TO_DO}`);
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  const { version } = createRequire(import.meta.url)(join(dirname(entry), '../package.json'));
  const file = join(UNPACKED, `chromium-${version}`);
  if (existsSync(file)) return file;
  mkdirSync(UNPACKED, { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  try {
    const packed = createReadStream(join(dirname(entry), '../bin/chromium.br'));
    await pipeline(packed, createBrotliDecompress(), createWriteStream(unfinished, { mode: 0o755 }));
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return file;
}

import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/**
 * A browser: CHROMIUM_PATH, else an installed one, else the one that the package @sparticuz/chromium carries (linux x64).
 * @param args more of its command line. Throws, with what to install, where none can run: a suite without a browser has proved nothing.
 */
export async function launchBrowser(args: string[] = []): Promise<Browser> {
  const executablePath = process.env['CHROMIUM_PATH'] || INSTALLED.find(existsSync) || (await carried());
  try {
    return await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-background-networking', '--disable-dev-shm-usage', ...args],
    });
  } catch (error) {
    throw new Error(`${executablePath} does not start. ${WHAT_TO_DO}\n${(error as Error).message}`);
  }
}

const WHAT_TO_DO = 'Install Chromium (Debian: `apt-get install chromium`), or set CHROMIUM_PATH.';

async function carried(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error(`There is no Chromium. ${WHAT_TO_DO}`);
  const { default: packaged } = await import('@sparticuz/chromium');
  return packaged.executablePath();
}

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { Api } from '../api.js';
import { logIn } from '../log-in.js';
import { type ServerOptions, startServer, TEST_ADMIN, type TestServer } from '../server.js';
import { launchBrowser } from './chromium.mjs';

let axeText: string | undefined;
const axe = () => (axeText ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
/** Of the README. */
const SHOWN = fileURLToPath(new URL('../../../docs/pictures', import.meta.url));
/** Ignored by git. */
const SCREENSHOTS = fileURLToPath(new URL('../../../screenshots', import.meta.url));

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/** A server and one browser, for all tests of a file. */
export class Dashboard {
  private readonly watched = new Set<Watched>();

  private constructor(
    readonly server: TestServer,
    readonly browser: Browser,
    /** With the root key: to make what pages show. */
    readonly root: Api,
  ) {}

  static async open(options: ServerOptions & { browserArgs?: string[] } = {}): Promise<Dashboard> {
    const { browserArgs, ...forServer } = options;
    const [server, browser] = await Promise.all([startServer(forServer), launchBrowser(browserArgs)]);
    return new Dashboard(server, browser, Api.root(server));
  }

  async close(): Promise<void> {
    await this.browser?.close();
    await this.server?.stop();
  }

  /** A browser that nobody signed in to, as another person's. Without motion: what fades in has other colours meanwhile. */
  async visitor(options: BrowserContextOptions = {}): Promise<Visitor> {
    const defaults: BrowserContextOptions = { baseURL: this.server.url, viewport: DESKTOP, reducedMotion: 'reduce' };
    const context = await this.browser.newContext({ ...defaults, ...options });
    const watched = new Watched();
    this.watched.add(watched);
    return new Visitor(context, watched);
  }

  /** Somebody signed in, on a page. Default: the server administrator. */
  async signedIn(
    as: { email: string; password: string } = TEST_ADMIN,
    options: BrowserContextOptions = {},
  ): Promise<Visitor> {
    const visitor = await this.visitor(options);
    const { extra } = await logIn(this.server.url, as.email, as.password);
    const [name, value] = extra['cookie']!.split('=') as [string, string];
    const url = options.baseURL ?? this.server.url;
    await visitor.context.addCookies([{ name, value, url, httpOnly: true, sameSite: 'Lax' }]);
    return visitor;
  }

  /** After each test: what a browser complained of, which fails it, and closes every page. */
  async settle(): Promise<void> {
    const complaints = [...this.watched].flatMap((one) => one.complaints);
    this.watched.clear();
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    expect(complaints).toEqual([]);
  }
}

/** What a page says to its console, what its policy forbids, and which requests failed. */
class Watched {
  readonly complaints: string[] = [];
  private readonly expected: RegExp[] = [];

  watch(page: Page): void {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        this.complain(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => this.complain(`error: ${error.stack ?? error.message}`));
    page.on('requestfailed', (request) => {
      // A page that is left, or a search that is typed on, gives up what it asked for.
      if (request.failure()?.errorText !== 'net::ERR_ABORTED')
        this.complain(`failed: ${request.method()} ${request.url()} ${request.failure()?.errorText}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400)
        this.complain(`${response.status()}: ${response.request().method()} ${response.url()}`);
    });
  }

  expect(complaint: RegExp): void {
    this.expected.push(complaint);
  }

  private complain(text: string): void {
    if (!this.expected.some((pattern) => pattern.test(text))) this.complaints.push(text);
  }
}

/** One person's browser. */
export class Visitor {
  constructor(
    readonly context: BrowserContext,
    private readonly watched: Watched,
  ) {
    context.setDefaultTimeout(60_000);
  }

  /** A tab, at an address, when what it reads is there. */
  async goTo(path: string): Promise<Page> {
    const page = await this.context.newPage();
    this.watched.watch(page);
    await page.goto(path);
    return page;
  }

  /** What the test causes on purpose: a refusal is also a line of the console. */
  expectComplaint(pattern: RegExp): void {
    this.watched.expect(pattern);
  }
}

/** Of an issue that a table has in each row. */
const SHOWN_NODES = 3;

interface AxeResult {
  violations: { id: string; impact: string; help: string; nodes: { html: string; target: unknown[] }[] }[];
}

/** What axe calls serious or critical. @param within of the page, as a selector: what lies behind a dialog is dimmed */
export async function seriousIssues(page: Page, within?: string): Promise<string[]> {
  // Past the policy of the page, which allows no script of others: as a debugger does.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe() });
  await session.detach();
  const { violations } = (await page.evaluate(
    `axe.run(${within === undefined ? 'document' : JSON.stringify(within)}, { resultTypes: ["violations"] })`,
  )) as AxeResult;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => {
      const some = nodes.slice(0, SHOWN_NODES).map(({ html }) => `  ${html}`);
      return [`${id}: ${help}, ${nodes.length} times`, ...some].join('\n');
    });
}

/** No issue that axe calls serious or critical. */
export async function expectAccessible(page: Page, within?: string): Promise<void> {
  expect(await seriousIssues(page, within)).toEqual([]);
}

/** A picture in the folder screenshots, for people to look at. */
export async function takePicture(page: Page, name: string): Promise<void> {
  const path = join(SCREENSHOTS, `${name}.png`);
  mkdirSync(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: true });
}

/** What the screen shows, small, for the README. Only a page can write WebP, and only one without a policy. @returns its size */
export async function takeWebp(page: Page, name: string): Promise<number> {
  const png = (await page.screenshot()).toString('base64');
  const context = await page.context().browser()!.newContext();
  const blank = await context.newPage();
  const url =
    await blank.evaluate<string>(`createImageBitmap(new Blob([Uint8Array.from(atob('${png}'), (byte) => byte.charCodeAt(0))]))
    .then((image) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
      canvas.getContext('2d').drawImage(image, 0, 0);
      return canvas.toDataURL('image/webp', 0.82);
    })`);
  await context.close();
  const picture = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
  writeFileSync(join(SHOWN, `${name}.webp`), picture);
  return picture.length;
}

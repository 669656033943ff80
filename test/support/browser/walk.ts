import { setTimeout as delay } from 'node:timers/promises';
import type { Page, Request } from 'playwright-core';
import { t as shell } from '../../../libs/dashboard/src/texts/en/shell.js';
import type { Visitor } from './dashboard.js';

/** A page of the router: its route as `/org/$org/sites/$site`, and an address of it. */
export interface Address {
  route: string;
  path: string;
  /** Within the frame: for who is signed in. */
  isFramed: boolean;
}

/** What came of an address. */
export interface Seen {
  /** Where it led to. */
  path: string;
  heading: string | undefined;
  title: string;
  /** The page says that one may not see it. */
  isLacking: boolean;
  /** What its routes say that one must be allowed. */
  actions: string[];
  /** `403: GET /api/v1/…` */
  refused: string[];
}

/** The router hangs itself here for its developer tools. */
const ROUTER = 'self.__TSR_ROUTER__';
const PLACEHOLDERS = '.mantine-Skeleton-root[data-visible], [aria-busy="true"]';
/** Of what ends: a spinner does not. */
const MOVING =
  'document.getAnimations().some(({ playState, effect }) => playState === "running" && effect.getComputedTiming().endTime < Infinity)';
/** The address that was asked for stands, and nothing that is shown is a placeholder or on its way to where it belongs. */
const AT_REST = `(() => {
  if (${ROUTER} === undefined) return false;
  const { status, resolvedLocation } = ${ROUTER}.state;
  return status === 'idle' && resolvedLocation?.href === ${ROUTER}.history.location.href
    && document.querySelector(${JSON.stringify(PLACEHOLDERS)}) === null && !${MOVING};
})()`;
const LIMIT_MS = 60_000;
const UNTOLD_MS = 20_000;
/** Looked for in the page, frame by frame: from outside it takes a script that its policy forbids. */
const REST = `new Promise((done, fail) => {
  const limit = setTimeout(() => fail(new Error('never at rest: ' + document.querySelector(${JSON.stringify(PLACEHOLDERS)})?.outerHTML)), ${LIMIT_MS});
  const look = () => (${AT_REST} ? (clearTimeout(limit), done()) : requestAnimationFrame(look));
  look();
})`;
/** Its heading may be rendered a moment after what it was asked for has come. One that never says it is looked at as it is. */
const SAYS_WHAT_IT_IS = `new Promise((done) => {
  const limit = setTimeout(done, 10_000);
  const says = () => !!document.querySelector('h1')?.innerText.trim() || document.querySelector('main')?.innerText.includes(${JSON.stringify(shell.lacking.title)});
  const look = () => (says() ? (clearTimeout(limit), done()) : requestAnimationFrame(look));
  look();
})`;
/** What was rendered has had its effects, which ask for data. */
const TWO_FRAMES = 'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))';

/** One tab that goes from page to page, as by links: what is loaded stays loaded. */
export class Walk {
  private readonly inFlight = new Set<Request>();
  private refused: string[] = [];

  private constructor(readonly page: Page) {
    page.on('request', (request) => {
      // The stream of events stays open.
      if (request.resourceType() !== 'eventsource') this.inFlight.add(request);
    });
    page.on('requestfinished', (request) => this.inFlight.delete(request));
    page.on('requestfailed', (request) => this.inFlight.delete(request));
    page.on('response', (response) => {
      if (response.status() >= 400)
        this.refused.push(`${response.status()}: ${response.request().method()} ${new URL(response.url()).pathname}`);
    });
  }

  static async begin(visitor: Visitor, path: string): Promise<Walk> {
    const walk = new Walk(await visitor.goTo('about:blank'));
    await walk.load(path);
    return walk;
  }

  /**
   * Every page of the router, as the build has found them in the folder of routes.
   * @param ids what stands in place of parameters, by the part before: `sites/$site`. Throws where one is missing: a page that nobody looks at
   */
  async addresses(ids: Readonly<Record<string, string>>): Promise<Address[]> {
    const routes = await this.page.evaluate<{ route: string; id: string }[]>(
      `Object.entries(${ROUTER}.routesByPath).map(([path, { id }]) => ({ route: path.replace(/(.)\\/$/, '$1'), id }))`,
    );
    const unique = new Map(routes.map(({ route, id }) => [route, id]));
    return [...unique].map(([route, id]) => ({
      route,
      isFramed: id.startsWith('/_frame'),
      path: route.replace(/([^/]+)\/(\$\w+)/g, (_, before: string, parameter: string) => {
        const value = ids[`${before}/${parameter}`];
        if (value === undefined)
          throw new Error(
            `${route} has a parameter that the fixture does not know: give its ids "${before}/${parameter}"`,
          );
        return `${before}/${encodeURIComponent(value)}`;
      }),
    }));
  }

  /** As by a link. */
  async to(path: string): Promise<Seen> {
    this.refused = [];
    await this.page.evaluate(`void ${ROUTER}.history.push(${JSON.stringify(path)})`);
    return this.see();
  }

  /** As by typing the address. */
  async load(path: string): Promise<Seen> {
    this.refused = [];
    await this.page.goto(path);
    return this.see();
  }

  /** Addresses that the navigation shows. */
  navigation(): Promise<string[]> {
    return this.page.evaluate(
      `[...document.querySelectorAll('nav[aria-label="${shell.menu}"] a')].map((link) => link.pathname)`,
    );
  }

  /** Until the page has everything that it asked for. Throws when it never has. */
  async settle(): Promise<void> {
    for (;;) {
      await this.page.evaluate(TWO_FRAMES);
      await Promise.all([...this.inFlight].map((request) => this.over(request)));
      await this.page.evaluate(REST);
      await this.page.evaluate(TWO_FRAMES);
      if (this.inFlight.size === 0 && (await this.page.evaluate(AT_REST))) return;
    }
  }

  /** Of one that the page gave up while it was intercepted no end may be told: after a while the page's own word counts. */
  private async over(request: Request): Promise<void> {
    const told = request.response().then((response) => response?.finished());
    const untold = delay(UNTOLD_MS, undefined, { ref: false }).then(() => this.inFlight.delete(request));
    await Promise.race([told.catch(() => undefined), untold]);
  }

  /** @returns what was refused since, and forgets it */
  takeRefused(): string[] {
    const { refused } = this;
    this.refused = [];
    return refused;
  }

  private async see(): Promise<Seen> {
    await this.settle();
    await this.page.evaluate(SAYS_WHAT_IT_IS);
    const said = await this.page.evaluate<Omit<Seen, 'refused'>>(`({
      path: location.pathname,
      heading: document.querySelector('h1')?.innerText,
      title: document.title,
      isLacking: document.querySelector('main').innerText.includes(${JSON.stringify(shell.lacking.title)}),
      actions: ${ROUTER}.state.matches.flatMap(({ staticData }) => staticData.action ?? []),
    })`);
    return { ...said, refused: this.refused };
  }
}

import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
});

const ask = (accept: string): Promise<Response> => fetch(`${server.url}/`, { headers: { accept }, redirect: 'manual' });

describe('GET /', () => {
  it('is the dashboard for a browser', async () => {
    const answer = await ask('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8');
    expect([answer.status, answer.headers.get('vary')]).toEqual([200, 'accept']);
    expect(await answer.text()).toContain('<title>Gatehouse</title>');
  });

  it.each(['application/json', '*/*'])('is nothing for who asks for %s', async (accept) => {
    const answer = await ask(accept);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('vary')).toBe('accept');
    expect(await answer.json()).toMatchObject({ success: false, status: 404, code: 'not_found' });
  });
});

/** Stands for the immutable maps and lists of the page. */
class Fake {
  constructor(private readonly entries: Map<string, unknown>) {}
  static of = (values: Record<string, unknown>): Fake => new Fake(new Map(Object.entries(values)));
  get = (key: string): unknown => this.entries.get(key);
  set = (key: string, value: unknown): Fake => new Fake(new Map(this.entries).set(key, value));
  map = (change: (value: unknown, key: string) => unknown): Fake =>
    new Fake(new Map([...this.entries].map(([key, value]) => [key, change(value, key)])));
  filter = (keep: (value: unknown) => boolean): Fake =>
    new Fake(new Map([...this.entries].filter(([, value]) => keep(value))));
  get size(): number {
    return this.entries.size;
  }
  keys = (): string[] => [...this.entries.keys()];
}

interface PageOptions {
  filter: boolean;
  plugins: (() => { fn: { opsFilter(tags: Fake, phrase: string): Fake } })[];
  onComplete(): void;
}

describe('the page of the API', () => {
  /** What the page's own script makes of itself, with stand-ins for the browser. */
  async function load(browser: Record<string, unknown> = {}): Promise<PageOptions> {
    let options: PageOptions | undefined;
    const SwaggerUIBundle = Object.assign((given: PageOptions) => (options = given), {
      presets: {},
      plugins: {},
    });
    const window = { location: { search: '', origin: server.url }, onload: () => undefined };
    const script = await (await fetch(`${server.url}/api/docs/swagger-ui-init.js`)).text();
    runInNewContext(`${script}\nwindow.onload()`, {
      window,
      SwaggerUIBundle,
      SwaggerUIStandalonePreset: {},
      ...browser,
    });
    return options!;
  }

  it('has a search box that finds operations by words of tag, method, path, id and summary', async () => {
    const { filter, plugins } = await load();
    expect(filter).toBe(true);
    const operation = (method: string, path: string, operationId: string, summary: string): Fake =>
      Fake.of({ method, path, operation: Fake.of({ operationId, summary }) });
    const tags = Fake.of({
      Sites: Fake.of({
        operations: Fake.of({
          list: operation('get', '/api/v1/org/{orgId}/sites', 'listSites', 'List sites'),
          remove: operation('delete', '/api/v1/site/{siteId}', 'deleteSite', 'Delete a site'),
        }),
      }),
      Roles: Fake.of({
        operations: Fake.of({ read: operation('get', '/api/v1/role/{roleId}', 'getRole', 'Read a role') }),
      }),
    });
    const found = (phrase: string): string[] => {
      const left = plugins[0]!().fn.opsFilter(tags, phrase);
      return left.keys().flatMap((tag) => ((left.get(tag) as Fake).get('operations') as Fake).keys());
    };
    expect(found('site')).toEqual(['list', 'remove']);
    expect(found('DELETE site')).toEqual(['remove']);
    expect(found('listsites')).toEqual(['list']);
    expect(found('read ROLES ')).toEqual(['read']);
    expect(found('no such thing')).toEqual([]);
  });

  it('names its search box, and puts the cursor where the API key goes once somebody wants to authorize', async () => {
    const focused: string[] = [];
    const named: string[] = [];
    class MutationObserver {
      constructor(private readonly changed: () => void) {}
      observe = (): void => this.changed();
      disconnect = (): void => undefined;
    }
    let click: ((event: object) => void) | undefined;
    const document = {
      querySelector: (selector: string) => ({
        setAttribute: (...of: string[]) => named.push(selector, ...of),
        focus: () => focused.push(selector),
      }),
      addEventListener: (_type: string, listener: (event: object) => void) => (click = listener),
    };
    (await load({ document, MutationObserver, setTimeout: (work: () => void) => work() })).onComplete();
    expect(named).toEqual(['.operation-filter-input', 'placeholder', 'Search operations']);
    click!({ target: { closest: () => null } });
    expect(focused).toEqual([]);
    click!({ target: { closest: (selector: string) => (selector === '.btn.authorize' ? {} : null) } });
    expect(focused).toEqual(['.auth-container input']);
  });
});

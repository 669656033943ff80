import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawGet } from '../support/raw-get.js';
import { startServer, type TestServer } from '../support/server.js';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
});

const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${server.url}${path}`, { headers, redirect: 'manual' });

/** An asset of the page: the script that it begins with. */
async function script(): Promise<string> {
  const html = await (await ask('/', { accept: BROWSER })).text();
  return /<script type="module"[^>]* src="([^"]+)"/.exec(html)![1]!;
}

describe('the page', () => {
  it.each(['/', '/orgs', '/org/default/sites?state=offline', '/no/such/place'])('is served at %s', async (path) => {
    const answer = await ask(path, { accept: BROWSER });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    expect(await answer.text()).toContain('<div id="root">');
  });

  it('runs under a policy without exceptions, with a nonce of each answer', async () => {
    const [one, two] = await Promise.all([ask('/', { accept: BROWSER }), ask('/', { accept: BROWSER })]);
    const policy = one.headers.get('content-security-policy')!;
    const nonce = /script-src 'self' 'nonce-([^']+)'/.exec(policy)![1]!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const html = await one.text();
    const loaded = html.match(/<(?:script|link rel="(?:stylesheet|modulepreload)")[^>]*>/g)!;
    expect(loaded.length).toBeGreaterThan(1);
    expect(loaded.filter((tag) => !tag.includes(` nonce="${nonce}"`))).toEqual([]);
    // Scripts read it from a meta element.
    expect(html).toMatch(/<meta property="csp-nonce" nonce="/);
    expect(two.headers.get('content-security-policy')).not.toBe(policy);
    for (const header of ['x-content-type-options', 'referrer-policy', 'cross-origin-opener-policy'])
      expect([header, one.headers.get(header)]).toEqual([header, expect.any(String)]);
  });

  it.each([
    '/api/v1/nothing',
    '/v1/nothing',
    '/agent/nothing',
    '/.well-known/nothing',
    '/assets/nothing.js',
    '/metrics',
  ])('is not served at %s, even to a browser', async (path) => {
    const answer = await ask(path, { accept: BROWSER });
    expect([answer.status, await answer.json()]).toMatchObject([404, { success: false, code: 'not_found' }]);
  });

  it('is not served to who takes no HTML', async () => {
    expect((await ask('/orgs', { accept: '*/*' })).status).toBe(404);
    expect(await (await ask('/healthz', { accept: BROWSER })).text()).not.toContain('<html');
  });
});

describe('its assets', () => {
  it('may be kept for ever, since a change gives them another name', async () => {
    const answer = await ask(await script());
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('content-type')).toMatch(/^(text|application)\/javascript/);
  });

  it.each([
    ['br', brotliDecompressSync],
    ['gzip', gunzipSync],
  ] as const)('were compressed at the build, as %s', async (encoding, unpack) => {
    const path = await script();
    const plain = await rawGet(server.url + path, { 'accept-encoding': 'identity' });
    const packed = await rawGet(server.url + path, { 'accept-encoding': encoding });
    expect([plain.headers['content-encoding'], packed.headers['content-encoding']]).toEqual([undefined, encoding]);
    expect(packed.headers['vary']).toMatch(/accept-encoding/i);
    expect(packed.body.length).toBeLessThan(plain.body.length / 2);
    expect(unpack(packed.body).equals(plain.body)).toBe(true);
  });

  it('are files of the build alone', async () => {
    for (const path of [
      '/assets/..%2findex.html',
      '/assets/%2e%2e/index.html',
      '/assets/../../server/main.js',
      '/assets/',
    ])
      expect([path, (await rawGet(server.url + path, {})).status]).toEqual([path, expect.toBeOneOf([403, 404])]);
  });
});

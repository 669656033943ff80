import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type EdgeAnswer, type EdgeCode, edgeAnswer, wantsPage } from './error-pages.js';

const field = ({ fields }: EdgeAnswer, wanted: string) => {
  const at = fields.indexOf(wanted);
  return at < 0 ? undefined : fields[at + 1];
};
const text = ({ body }: EdgeAnswer) => body.toString();

describe('an answer of the edge', () => {
  it.each([
    ['unknown_host', 404],
    ['forbidden', 403],
    ['unauthenticated', 401],
    ['site_offline', 503],
    ['no_healthy_target', 503],
    ['maintenance', 503],
    ['refused', 502],
    ['bad_gateway', 502],
    ['timeout', 504],
    ['stale', 503],
    ['login_unavailable', 503],
  ] as [EdgeCode, number][])('%s is %d, as a page and as JSON', (code, status) => {
    const page = edgeAnswer(code, 'r-1', true);
    const json = edgeAnswer(code, 'r-1', false);
    expect([page.status, json.status]).toEqual([status, status]);
    expect(text(page)).toContain(`<code>${code}</code> · request <code>r-1</code>`);
    expect(JSON.parse(text(json))).toEqual({ status, code, message: expect.any(String), requestId: 'r-1' });
    for (const answer of [page, json]) {
      expect(field(answer, 'Content-Length')).toBe(String(answer.body.length));
      expect([field(answer, 'Cache-Control'), field(answer, 'X-Request-Id')]).toEqual(['no-store', 'r-1']);
    }
  });

  it('has one style that its policy allows, and nothing else that is loaded or runs', () => {
    const page = edgeAnswer('forbidden', 'r', true);
    const styles = [...text(page).matchAll(/<style>([^<]*)<\/style>/g)].map(([, style]) => style!);
    expect(styles).toHaveLength(1);
    const allowed = `'sha256-${createHash('sha256').update(styles[0]!).digest('base64')}'`;
    expect(field(page, 'Content-Security-Policy')).toBe(
      `default-src 'none'; style-src ${allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(text(page)).not.toMatch(/<script|style=|\son\w+=|src=|href=|url\(|@import/);
    expect(text(page)).toContain('name="viewport"');
  });

  it('has the words of the organization, and they are words', () => {
    const evil = '<script>alert("1")</script>&\'';
    const page = text(
      edgeAnswer('maintenance', evil, true, { organization: evil, title: evil, message: evil, estimate: evil }),
    );
    expect(page).not.toContain('<script');
    expect(page.match(/&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt;&amp;&#39;/g)).toHaveLength(6);
    expect(text(edgeAnswer('maintenance', 'r', true, { message: 'one\ntwo\n\nthree' }))).toContain(
      '<p>one<br>two</p>\n<p>three</p>',
    );
    const json = JSON.parse(text(edgeAnswer('maintenance', 'r', false, { title: 'Later', message: 'We move' })));
    expect(json).toMatchObject({ code: 'maintenance', message: 'Later: We move' });
    expect(text(edgeAnswer('maintenance', 'r', true, { title: null, message: '' }))).toContain('Down for maintenance');
  });

  it.each([
    ['2026-01-01T00:01:00Z', '60'],
    ['2026-01-01 00:00:30', '30'],
    ['2026-01-01 02:00 +01:00', '3600'],
    ['2026-01-01 00:10 UTC', '600'],
    ['2025-12-31T23:59:00Z', undefined],
    ['2026-13-01T00:00Z', undefined],
    ['in an hour', undefined],
    ['2026-01-02', undefined],
  ])('says when to come again where %s is a time', (estimate, seconds) => {
    const answer = edgeAnswer('maintenance', 'r', true, { estimate }, Date.UTC(2026, 0, 1));
    expect(field(answer, 'Retry-After')).toBe(seconds);
    expect(text(answer)).toContain(estimate);
  });

  it.each([
    ['GET', 'text/html,application/xhtml+xml,*/*;q=0.8', true],
    ['HEAD', 'TEXT/HTML', true],
    ['GET', 'application/json, text/html;q=0.5', true],
    ['POST', 'text/html', false],
    ['GET', 'application/json', false],
    ['GET', '*/*', false],
    ['GET', 'text/html5', false],
    ['GET', undefined, false],
  ])('%s with %s is a page: %s', (method, accept, page) => {
    expect(wantsPage(method, accept)).toBe(page);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { asksForPage, Page } from './page.js';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

it.each(['/', '/orgs', '/org/a/sites?state=offline', '/agents', '/apiary', '/org/api/v1'])('%s is a page', (url) => {
  expect([asksForPage('GET', url, BROWSER), asksForPage('HEAD', url, BROWSER)]).toEqual([true, true]);
});

it.each([
  '/api/docs',
  '/v1/org/a/sites',
  '/v1',
  '/agent/version.json',
  '/install.sh',
  '/healthz?x',
  '/readyz',
  '/metrics',
  '/.well-known/est/cacerts',
  '/.gatehouse/x',
  '/assets/gone.js',
])('%s is not', (url) => {
  expect(asksForPage('GET', url, BROWSER)).toBe(false);
});

it('is for who reads HTML only', () => {
  expect(asksForPage('POST', '/', BROWSER)).toBe(false);
  expect(asksForPage('GET', '/', '*/*')).toBe(false);
  expect(asksForPage('GET', '/', undefined)).toBe(false);
});

it('carries a nonce of its own in each answer, the one of its policy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-page-'));
  writeFileSync(join(folder, 'index.html'), '<script nonce="__NONCE__"></script><meta nonce="__NONCE__">');
  const page = new Page(join(folder, 'index.html'));
  rmSync(folder, { recursive: true });
  const [one, two] = [page.render(), page.render()];
  const nonce = /nonce="([^"]{24})"/.exec(one.html)![1]!;
  expect(one.html).toBe(`<script nonce="${nonce}"></script><meta nonce="${nonce}">`);
  expect(one.policy).toContain(`script-src 'self' 'nonce-${nonce}'`);
  expect(one.policy).not.toMatch(/unsafe|https?:|\*/);
  expect(two.html).not.toBe(one.html);
});

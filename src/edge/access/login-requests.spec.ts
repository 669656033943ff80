import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { KeyRing } from '#platform';
import { LoginRequests } from './login-requests.js';

const requests = new LoginRequests(new KeyRing(randomBytes(32)));
const NOW = Date.UTC(2026, 10, 30);
const ASKED = { resourceId: 7, origin: 'http://app.example:8080', state: 'abc', returnPath: '/a?b' };

it('a request to log in is read as it was signed, for ten minutes', () => {
  const text = requests.sign(ASKED, NOW);
  expect(requests.read(text, NOW + 599_000)).toEqual(ASKED);
  expect(requests.read(text, NOW + 600_000)).toBeNull();
});

it('a request that was changed, or signed elsewhere, is none', () => {
  const [payload, mac] = requests.sign(ASKED, NOW).split('.') as [string, string];
  const evil = Buffer.from(JSON.stringify([7, 'http://evil.example', 'abc', '/', NOW])).toString('base64url');
  const elsewhere = new LoginRequests(new KeyRing(randomBytes(32))).sign(ASKED, NOW);
  for (const text of ['', '.', payload, `${payload}.`, `.${mac}`, `${evil}.${mac}`, elsewhere])
    expect(requests.read(text, NOW)).toBeNull();
});

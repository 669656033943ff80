import { describe, expect, it } from 'vitest';
import { clientAddress, forwardedScheme } from './client-address.js';

const PROXIES = ['10.0.0.1', '10.0.0.2', '2001:db8::9'];
const trusts = (address: string) => PROXIES.includes(address);
const from = (peer: string, ...lists: string[]) =>
  clientAddress(peer, ['Host', 'a', ...lists.flatMap((list) => ['X-Forwarded-For', list])], trusts).client;

describe('whose address a request is from', () => {
  it.each([
    ['192.0.2.1', ['198.51.100.1'], '192.0.2.1'],
    ['::ffff:192.0.2.1', ['198.51.100.1'], '192.0.2.1'],
    ['10.0.0.1', [], '10.0.0.1'],
    ['10.0.0.1', ['198.51.100.1'], '198.51.100.1'],
    ['::ffff:10.0.0.1', ['198.51.100.1'], '198.51.100.1'],
    ['10.0.0.1', ['203.0.113.9, 198.51.100.1'], '198.51.100.1'],
    ['10.0.0.1', ['203.0.113.9,198.51.100.1 ,10.0.0.2'], '198.51.100.1'],
    ['10.0.0.1', ['203.0.113.9', '198.51.100.1', '10.0.0.2'], '198.51.100.1'],
    ['10.0.0.1', ['10.0.0.2, 2001:db8::9'], '10.0.0.2'],
    ['10.0.0.1', ['198.51.100.1:4711'], '198.51.100.1'],
    ['10.0.0.1', ['[2001:db8::1]:4711'], '2001:db8::1'],
    ['10.0.0.1', ['2001:db8::1'], '2001:db8::1'],
    ['10.0.0.1', ['203.0.113.9, unknown'], '10.0.0.1'],
    ['10.0.0.1', ['203.0.113.9, unknown, 10.0.0.2'], '10.0.0.2'],
    ['10.0.0.1', ['203.0.113.9, '], '10.0.0.1'],
    ['10.0.0.1', [''], '10.0.0.1'],
    ['10.0.0.1', ['[', ']'], '10.0.0.1'],
    ['10.0.0.1', ['1'.repeat(1000)], '10.0.0.1'],
  ])('%s after %j: %s', (peer, lists, client) => {
    expect(from(peer, ...lists)).toBe(client);
  });

  it('says whether the peer is trusted', () => {
    expect(clientAddress('10.0.0.1', [], trusts).trusted).toBe(true);
    expect(clientAddress('192.0.2.1', ['X-Forwarded-For', '10.0.0.1'], trusts).trusted).toBe(false);
  });
});

it('is told how a trusted proxy was asked', () => {
  expect(forwardedScheme(['X-Forwarded-Proto', 'http', 'x-forwarded-proto', 'http, HTTPS'])).toBe('https');
  expect(forwardedScheme(['X-Forwarded-Proto', 'wss'])).toBeUndefined();
  expect(forwardedScheme(['X_Forwarded_Proto', 'https'])).toBeUndefined();
});

import { describe, expect, it } from 'vitest';
import { urlOf } from './resource-url.js';

const config = (publicUrl: string, edge: { port?: number; tlsPort?: number } = {}, tls = false) =>
  ({
    http: { publicUrl: new URL(publicUrl), ...(tls ? { tls: { certFile: 'c', keyFile: 'k' } } : {}) },
    edge: { port: 8080, ...edge },
  }) as Parameters<typeof urlOf>[0];
const app = { http: true, fullDomain: 'app.example.com', wildcard: false, ssl: true };

describe('the address of a resource', () => {
  it.each([
    [
      'nothing ends TLS',
      config('http://gate.example.com'),
      'http://app.example.com:8080',
      'http://app.example.com:8080',
    ],
    [
      'its own port is the usual one',
      config('http://gate.example.com', { port: 80 }),
      'http://app.example.com',
      'http://app.example.com',
    ],
    ['a proxy ends TLS', config('https://gate.example.com'), 'https://app.example.com', 'http://app.example.com'],
    [
      'the dashboard alone has TLS',
      config('https://gate.example.com:3000', {}, true),
      'http://app.example.com:8080',
      'http://app.example.com:8080',
    ],
    [
      'the edge ends TLS',
      config('http://gate.example.com', { tlsPort: 443 }),
      'https://app.example.com',
      'http://app.example.com:8080',
    ],
    [
      'the edge ends TLS at another port',
      config('http://gate.example.com', { tlsPort: 8443 }),
      'https://app.example.com:8443',
      'http://app.example.com:8080',
    ],
  ])('where %s', (_, of, withTls, without) => {
    expect([urlOf(of, app), urlOf(of, { ...app, ssl: false })]).toEqual([withTls, without]);
  });

  it('is none of what no browser opens', () => {
    const of = config('https://gate.example.com');
    for (const more of [{ http: false }, { fullDomain: null }, { wildcard: true }])
      expect(urlOf(of, { ...app, ...more })).toBeNull();
  });
});

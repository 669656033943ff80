import { describe, expect, it } from 'vitest';
import { proxyFor } from './proxy.js';

const through = (target: string, env: NodeJS.ProcessEnv) => proxyFor(new URL(target), env)?.host;

describe('proxy', () => {
  it('goes by the scheme of the target, websockets included', () => {
    const env = { HTTPS_PROXY: 'http://secure:8080', http_proxy: 'plain:3128' };
    expect(through('https://host/', env)).toBe('secure:8080');
    expect(through('wss://host/', env)).toBe('secure:8080');
    expect(through('http://host/', env)).toBe('plain:3128');
    expect(through('ws://host/', env)).toBe('plain:3128');
    expect(through('https://host/', {})).toBeUndefined();
  });

  it.each([
    ['*', true],
    ['host.example.com', true],
    ['example.com', true],
    ['.example.com', true],
    ['*.example.com', true],
    ['ample.com', false],
    ['other.com, example.com:8443', true],
    ['example.com:443', false],
    ['10.0.0.0/8', false],
    ['', false],
  ])('NO_PROXY=%s exempts host.example.com:8443: %s', (list, exempt) => {
    expect(through('https://host.example.com:8443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: list }) === undefined).toBe(
      exempt,
    );
  });

  it.each([
    ['10.1.2.3', true],
    ['10.0.0.0/8', true],
    ['10.2.0.0/16', false],
    ['10.0.0.0/99', false],
    ['fd00::/8', false],
  ])('NO_PROXY=%s exempts 10.1.2.3: %s', (list, exempt) => {
    expect(through('https://10.1.2.3', { HTTPS_PROXY: 'http://p:1', NO_PROXY: list }) === undefined).toBe(exempt);
  });

  it('never sends this machine to itself through a proxy', () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]'])
      expect(through(`http://${host}:3000`, { HTTP_PROXY: 'http://p:1' })).toBeUndefined();
  });

  it('refuses a proxy that it cannot use', () => {
    expect(() => through('https://host', { HTTPS_PROXY: 'socks5://p:1' })).toThrow(
      expect.objectContaining({ code: 78 }),
    );
  });
});

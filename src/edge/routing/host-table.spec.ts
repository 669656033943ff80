import { describe, expect, it } from 'vitest';
import { HostTable, parseHost } from './host-table.js';

describe('the host of a request', () => {
  it.each([
    ['app.example.com', 'app.example.com', undefined],
    ['App.EXAMPLE.com', 'app.example.com', undefined],
    ['app.example.com.', 'app.example.com', undefined],
    ['app.example.com:8080', 'app.example.com', 8080],
    ['app.example.com.:8080', 'app.example.com', 8080],
    ['app.example.com:', 'app.example.com', undefined],
    ['localhost', 'localhost', undefined],
    ['my_app-1.localhost:80', 'my_app-1.localhost', 80],
    ['192.0.2.1:443', '192.0.2.1', 443],
    ['[2001:DB8::1]', '2001:db8::1', undefined],
    ['[::ffff:192.0.2.1]:65535', '::ffff:192.0.2.1', 65_535],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', undefined],
  ])('%s', (text, name, port) => {
    expect(parseHost(text)).toEqual({ name, port });
  });

  it.each([
    '',
    '.',
    ':80',
    '.example.com',
    'a..b',
    'a..',
    'a b',
    ' a',
    'a,b',
    'a/b',
    'a?b',
    'a#b',
    'a\\b',
    'a%00',
    'a%2eb',
    'a\0',
    'user@a',
    'user:x@a',
    'bücher.example',
    'a:0',
    'a:65536',
    'a:+80',
    'a:80a',
    'a:080808',
    'a:80:80',
    'a:80.',
    '*.example.com',
    '[::1',
    '[]',
    '[::1]x',
    '[::1]80',
    '[fe80::1%eth0]',
    '[app.example.com]',
    '::1',
    'a'.repeat(64),
    `${'a.'.repeat(127)}a.b`,
  ])('is not %j', (text) => {
    expect(parseHost(text)).toBeUndefined();
  });
});

describe('the table of hosts', () => {
  const table = new HostTable<string>();
  for (const domain of ['app.example.com', '*.example.com', '*.deep.example.com', 'localhost', '*.localhost'])
    table.set(domain, domain);

  it.each([
    ['app.example.com', 'app.example.com'],
    ['other.example.com', '*.example.com'],
    ['x.deep.example.com', '*.deep.example.com'],
    ['deep.example.com', '*.example.com'],
    ['my-app.localhost', '*.localhost'],
    ['localhost', 'localhost'],
    ['example.com', undefined],
    ['a.b.example.com', undefined],
    ['a.app.example.com', undefined],
    ['com', undefined],
    ['example.com.evil', undefined],
    ['__proto__', undefined],
  ])('%s is %s', (name, found) => {
    expect(table.find(name)).toBe(found);
  });

  it('forgets', () => {
    const table = new HostTable<number>();
    table.set('a.b', 1);
    table.set('*.b', 2);
    table.delete('a.b', 7);
    expect(table.find('a.b')).toBe(1);
    table.delete('a.b', 1);
    expect(table.find('a.b')).toBe(2);
    table.delete('*.b', 1);
    expect(table.find('a.b')).toBe(2);
    table.delete('*.b', 2);
    expect([table.find('a.b'), table.size]).toEqual([undefined, 0]);
  });
});

import { createServer } from 'node:http';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { checkHttp2Request, checkRequest, websocketKey } from './request-checks.js';

const check = (fields: string[], url = '/', method = 'GET', version = '1.1') =>
  checkRequest(method, url, version, fields);
const host = ['Host', 'app.example.com'];

describe('a request of HTTP/1.1', () => {
  it.each([
    ['/', '/'],
    ['/a/b?c=d', '/a/b?c=d'],
    ['//a', '//a'],
    ['/?a=http://x', '/?a=http://x'],
    ['http://app.example.com/a?b', '/a?b'],
    ['HTTP://APP.example.com:80/a', '/a'],
    ['http://app.example.com', '/'],
    ['http://app.example.com?a', '/?a'],
  ])('of %s', (url, target) => {
    expect(check(host, url)).toEqual({
      host: { name: 'app.example.com', port: undefined },
      target,
      method: 'GET',
      websocket: false,
    });
  });

  it.each([
    [405, 'CONNECT', ['CONNECT', 'a:443', host]],
    [405, 'TRACE', ['TRACE', '/', host]],
    [405, 'a method in lower case', ['trace', '/', host]],
    [405, 'a method that is no token', ['G(T', '/', host]],
    [400, 'no host', ['GET', '/', ['X', 'y']]],
    [400, 'two hosts', ['GET', '/', [...host, 'HOST', 'app.example.com']]],
    [400, 'an empty host', ['GET', '/', ['Host', '']]],
    [400, 'a list of hosts', ['GET', '/', ['Host', 'a, b']]],
    [400, 'a user in the host', ['GET', '/', ['Host', 'a@b']]],
    [400, 'another host in the address', ['GET', 'http://other.example.com/', host]],
    [400, 'another port in the address', ['GET', 'http://app.example.com:81/', host]],
    [400, 'another host by its user', ['GET', 'http://app.example.com@evil/', host]],
    [400, 'another scheme', ['GET', 'ftp://app.example.com/', host]],
    [400, 'no slash', ['GET', 'a', host]],
    [400, 'an asterisk', ['OPTIONS', '*', host]],
    [400, 'a fragment', ['GET', '/a#b', host]],
    [400, 'a space', ['GET', '/a b', host]],
    [400, 'both lengths', ['POST', '/', [...host, 'Content-Length', '1', 'Transfer-Encoding', 'chunked']]],
    [400, 'two lengths', ['POST', '/', [...host, 'Content-Length', '1', 'content-length', '1']]],
    [400, 'a list of lengths', ['POST', '/', [...host, 'Content-Length', '1, 1']]],
    [400, 'a signed length', ['POST', '/', [...host, 'Content-Length', '+1']]],
    [400, 'another coding', ['POST', '/', [...host, 'Transfer-Encoding', 'gzip, chunked']]],
    [400, 'two codings', ['POST', '/', [...host, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked']]],
    [414, 'a long address', ['GET', `/${'a'.repeat(8192)}`, host]],
    [431, 'many fields', ['GET', '/', [...host, ...Array(100).fill(['X', 'y']).flat()]]],
    [431, 'long fields', ['GET', '/', [...host, 'X', 'y'.repeat(16_384)]]],
  ] as [number, string, [string, string, string[]]][])('%d for %s', (status, _what, [method, url, fields]) => {
    expect(check(fields, url, method)).toMatchObject({ status });
  });

  it('of HTTP/1.0 has no chunks', () => {
    expect(check([...host, 'Transfer-Encoding', 'chunked'], '/', 'POST', '1.0')).toMatchObject({ status: 400 });
    expect(check([...host, 'Transfer-Encoding', 'Chunked'], '/', 'POST', '1.1')).toMatchObject({ target: '/' });
    expect(check([...host, 'Content-Length', '10'], '/', 'POST', '1.0')).toMatchObject({ target: '/' });
  });

  it('may have 100 fields, 16 KB of them, and 8 KB of address', () => {
    expect(check([...host, ...Array(99).fill(['X', 'y']).flat()])).toMatchObject({ target: '/' });
    expect(check([...host, 'X', 'y'.repeat(16_384 - 23 - 5)])).toMatchObject({ target: '/' });
    expect(check([...host, 'X', 'y'.repeat(16_384 - 23 - 4)])).toMatchObject({ status: 431 });
    expect(check(host, `/${'a'.repeat(8191)}`)).toMatchObject({ method: 'GET' });
  });

  it.each([
    ['a folded value', 'Host: a\r\nX: a\r\n b\r\n\r\n'],
    ['LF alone', 'Host: a\nX: a\r\n\r\n'],
    ['CR alone', 'Host: a\r\nX: a\rb\r\n\r\n'],
    ['a space before the colon', 'Host : a\r\n\r\n'],
    ['both lengths', 'Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['both lengths, the other way', 'Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
    ['a bad size', 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\na\r\n0\r\n\r\n'],
    ['a size with a space', 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n'],
    ['a size that ends by LF', 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n'],
    ['LF in an extension', 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n'],
    ['NUL in a value', 'Host: a\r\nX: a\0b\r\n\r\n'],
  ])('node refuses with %s, which is not looked for here', async (_what, rest) => {
    const bytes = Buffer.from(`POST / HTTP/1.1\r\n${rest}`, 'latin1');
    const told = await new Promise<string>((resolve) => {
      const server = createServer((request) => {
        request.on('end', () => resolve('taken'));
        request.on('error', () => resolve('refused'));
        request.resume();
      });
      server.on('clientError', () => resolve('refused'));
      const socket = new Duplex({ read() {}, write: (_part, _encoding, done) => done() });
      server.emit('connection', socket);
      socket.push(bytes);
    });
    expect(told).toBe('refused');
  });
});

describe('a request of HTTP/2', () => {
  const pseudo = [':method', 'GET', ':path', '/a', ':scheme', 'https', ':authority', 'app.example.com'];

  it('has one reading', () => {
    const read = { host: { name: 'app.example.com', port: undefined }, target: '/a', method: 'GET', websocket: false };
    expect(checkHttp2Request(pseudo)).toEqual(read);
    expect(
      checkHttp2Request([...pseudo, 'host', 'App.Example.com:443', 'te', 'trailers', 'content-length', '3']),
    ).toEqual(read);
    expect(checkHttp2Request([...pseudo.slice(0, 6), 'host', 'app.example.com'])).toEqual(read);
    const websocket = [':method', 'CONNECT', ':protocol', 'websocket', ...pseudo.slice(2)];
    expect(checkHttp2Request(websocket)).toEqual({ ...read, method: 'CONNECT', websocket: true });
  });

  it.each([
    [405, [':method', 'CONNECT', ...pseudo.slice(2)]],
    [405, [':method', 'CONNECT', ':authority', 'a:443']],
    [405, [':method', 'CONNECT', ':protocol', 'connect-udp', ...pseudo.slice(2)]],
    [405, [...pseudo, ':protocol', 'websocket']],
    [405, [':method', 'TRACE', ...pseudo.slice(2)]],
    [400, pseudo.slice(2)],
    [400, pseudo.slice(0, 6)],
    [400, [...pseudo.slice(0, 2), ...pseudo.slice(4)]],
    [400, [...pseudo.slice(0, 4), ':scheme', 'ftp', ...pseudo.slice(6)]],
    [400, [...pseudo, ':path', '/b']],
    [400, [':method', 'GET', ':path', 'http://app.example.com/', ...pseudo.slice(4)]],
    [400, [':method', 'OPTIONS', ':path', '*', ...pseudo.slice(4)]],
    [400, [...pseudo, 'host', 'other.example.com']],
    [400, [...pseudo, 'host', 'app.example.com:80']],
    [400, [...pseudo, 'host', 'app.example.com', 'host', 'app.example.com']],
    [400, [...pseudo.slice(0, 6), ':authority', 'user@app.example.com']],
    [400, [...pseudo, 'connection', 'close']],
    [400, [...pseudo, 'transfer-encoding', 'chunked']],
    [400, [...pseudo, 'upgrade', 'websocket']],
    [400, [...pseudo, 'keep-alive', '1']],
    [400, [...pseudo, 'proxy-connection', 'close']],
    [400, [...pseudo, 'te', 'gzip']],
    [400, [...pseudo, 'content-length', '1', 'content-length', '1']],
    [400, [...pseudo, 'content-length', '-1']],
    [400, [...pseudo, 'x', 'a\r\nb: c']],
    [400, [...pseudo, 'x', 'a\0']],
    [400, [...pseudo, 'x y', 'a']],
    [400, [...pseudo, '', 'a']],
    [414, [':method', 'GET', ':path', `/${'a'.repeat(8192)}`, ...pseudo.slice(4)]],
    [431, [...pseudo, ...Array(102).fill(['x', 'y']).flat()]],
    [431, [...pseudo, 'x', 'y'.repeat(16_384)]],
  ])('%d for %j', (status, fields) => {
    expect(checkHttp2Request(fields)).toMatchObject({ status });
  });
});

describe('a websocket', () => {
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  const asked = [
    'Host',
    'a',
    'Upgrade',
    'WebSocket',
    'Connection',
    'keep-alive, Upgrade',
    'Sec-WebSocket-Version',
    '13',
    'Sec-WebSocket-Key',
    key,
  ];
  const changed = (name: string, value: string) => asked.map((text, i) => (asked[i - 1] === name ? value : text));

  it('is asked for by its key', () => {
    expect(websocketKey('GET', '1.1', asked)).toBe(key);
    expect(websocketKey('GET', '1.1', [...asked, 'Content-Length', '0'])).toBe(key);
  });

  it.each([
    ['POST', '1.1', asked],
    ['GET', '1.0', asked],
    ['GET', '1.1', changed('Upgrade', 'h2c')],
    ['GET', '1.1', changed('Upgrade', 'websocket, h2c')],
    ['GET', '1.1', [...asked, 'Upgrade', 'h2c']],
    ['GET', '1.1', changed('Connection', 'close')],
    ['GET', '1.1', changed('Sec-WebSocket-Version', '8')],
    ['GET', '1.1', changed('Sec-WebSocket-Key', 'short==')],
    ['GET', '1.1', changed('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZR==')],
    ['GET', '1.1', [...asked, 'Sec-WebSocket-Key', key]],
    ['GET', '1.1', [...asked, 'Content-Length', '5']],
    ['GET', '1.1', [...asked, 'Transfer-Encoding', 'chunked']],
    ['GET', '1.1', asked.slice(0, 2)],
  ])('is not asked for by %s %s %j', (method, version, fields) => {
    expect(websocketKey(method, version, fields)).toBeUndefined();
  });
});

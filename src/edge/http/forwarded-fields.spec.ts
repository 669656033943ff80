import { describe, expect, it } from 'vitest';
import {
  compileHeaderRules,
  type Forwarding,
  fieldText,
  isRequestId,
  requestFields,
  responseFields,
  trailerFields,
} from './forwarded-fields.js';
import { isOwnCookie } from './own-names.js';
import { acceptOf, acceptsWebsocket } from './websocket-answer.js';

const BASE: Forwarding = {
  peer: '192.0.2.1',
  client: '192.0.2.1',
  trusted: false,
  scheme: 'https',
  host: 'app.example.com',
  port: 443,
  requestId: 'r1',
  body: undefined,
  withoutAuthorization: false,
  setHostHeader: null,
};
const pairs = (fields: string[]) => fields.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${fields[i + 1]}`] : []));
const sent = (raw: string[], more: Partial<Forwarding> = {}) => pairs(requestFields(raw, { ...BASE, ...more }));
const OURS = sent([]);

describe('the fields of a request', () => {
  it('are ours, and those of the visitor in their order', () => {
    expect(sent(['Host', 'app.example.com', 'Accept', '*/*', 'X-A', '1', 'x-a', '2', 'my_field', '3'])).toEqual([
      'Host: app.example.com',
      'Accept: */*',
      'X-A: 1',
      'x-a: 2',
      'my_field: 3',
      'X-Forwarded-For: 192.0.2.1',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: app.example.com',
      'X-Forwarded-Port: 443',
      'X-Real-IP: 192.0.2.1',
      'Forwarded: for=192.0.2.1;proto=https;host=app.example.com',
      'X-Request-Id: r1',
    ]);
  });

  it.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authorization',
    'Transfer-Encoding',
    'Upgrade',
    'HTTP2-Settings',
    'Content-Length',
    'Host',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Prefix',
    'X-Real-IP',
    'Forwarded',
    'X-Request-Id',
    'Client-Cert',
    'Client-Cert-Chain',
    'X-Gatehouse-Proxy',
    'Remote-User',
    'Remote-Email',
    'Remote-Name',
    'Remote-Role',
    'Gatehouse-Assertion',
    'P-Access-Token',
    'P-Access-Token-Id',
  ])('hold no %s of a visitor, however it is spelt', (name) => {
    for (const spelt of [name, name.toUpperCase(), name.toLowerCase(), name.replaceAll('-', '_')])
      expect(sent([spelt, 'evil'])).toEqual(OURS);
  });

  it('hold nothing that Connection names, and what is ours in spite of it', () => {
    expect(
      sent([
        'X-A',
        '1',
        'Connection',
        'x-a, Cookie,X-Real-IP, host',
        'CONNECTION',
        'Authorization',
        'Cookie',
        'a=b',
        'Authorization',
        'x',
        'X_A',
        '2',
      ]),
    ).toEqual(OURS);
  });

  it('keep TE for trailers', () => {
    const [host, ...ours] = OURS;
    expect(sent(['TE', 'gzip, Trailers', 'te', 'trailers', 'Connection', 'TE'])).toEqual([
      host,
      'TE: trailers',
      'Connection: TE',
      ...ours,
    ]);
    expect(sent(['TE', 'gzip'])).toEqual(OURS);
  });

  it('hold no cookie of the edge', () => {
    expect(sent(['Cookie', 'a=1; gatehouse_session=x; b=2;__Host-gatehouse_target=y; c=3'])).toContain(
      'Cookie: a=1; b=2; c=3',
    );
    expect(sent(['cookie', 'a=1', 'cookie', 'GATEHOUSE_x=1', 'cookie', 'b=2'])).toContain('Cookie: a=1; b=2');
    expect(sent(['Cookie', '__Host-gatehouse_session=x; =gatehouse_x=1; gatehouse_y'])).toEqual(OURS);
    expect(sent(['Cookie', 'a="gatehouse_"; my_gatehouse_x=1'])).toContain('Cookie: a="gatehouse_"; my_gatehouse_x=1');
  });

  it('hold credentials unless these were for the edge', () => {
    expect(sent(['Authorization', 'Basic x'])).toContain('Authorization: Basic x');
    expect(sent(['Authorization', 'Basic x', 'AUTHORIZATION', 'y'], { withoutAuthorization: true })).toEqual(OURS);
  });

  it('tell of those before a trusted proxy', () => {
    const proxied = { trusted: true, peer: '2001:db8::9', client: '198.51.100.1' };
    const got = sent(
      ['X-Forwarded-For', '198.51.100.1', 'Forwarded', 'for=198.51.100.1', 'X-Forwarded-For', '198.51.100.2'],
      proxied,
    );
    expect(got).toContain('X-Forwarded-For: 198.51.100.1, 198.51.100.2, 2001:db8::9');
    expect(got).toContain('Forwarded: for=198.51.100.1, for="[2001:db8::9]";proto=https;host=app.example.com');
    expect(got).toContain('X-Real-IP: 198.51.100.1');
    expect(sent(['X_Forwarded_For', 'evil'], proxied)).toContain('X-Forwarded-For: 2001:db8::9');
  });

  it('have the host that is set', () => {
    expect(sent([], { setHostHeader: 'inner:80' })[0]).toBe('Host: inner:80');
    expect(sent([], { host: 'a:8080' })).toContain('Forwarded: for=192.0.2.1;proto=https;host="a:8080"');
  });

  it('are changed by the rules of the resource', () => {
    const rules = compileHeaderRules([
      { name: 'X-A', value: 'ours' },
      { name: 'x-b', value: '' },
      { name: 'X-Real-IP', value: '' },
      { name: 'Host', value: 'inner' },
      { name: 'Content-Length', value: '3' },
      { name: 'connection', value: 'close' },
    ]);
    const got = sent(['X_a', 'x', 'x-A', 'y', 'X-B', 'z', 'X-C', 'c'], { rules });
    expect(got.filter((field) => /^(x-[abc]|host|x-real|conn|content)/i.test(field))).toEqual([
      'X-C: c',
      'X-A: ours',
      'Host: inner',
    ]);
    expect(compileHeaderRules([{ name: 'Transfer-Encoding', value: 'x' }])).toBeUndefined();
  });

  it('say who logged in', () => {
    const identity = { user: 'u1', email: 'a@b.example', name: 'Jürgen Ö', role: 'Admin', assertion: 'jwt' };
    expect(sent(['Remote-User', 'root'], { identity }).slice(-5)).toEqual([
      'Remote-User: u1',
      'Remote-Email: a@b.example',
      "Remote-Name: UTF-8''J%C3%BCrgen%20%C3%96",
      'Remote-Role: Admin',
      'Gatehouse-Assertion: jwt',
    ]);
    expect([fieldText("utf-8''x"), fieldText('a\r\nb'), fieldText('\ud800'), fieldText('a(b)')]).toEqual([
      "UTF-8''utf-8%27%27x",
      "UTF-8''a%0D%0Ab",
      "UTF-8''%EF%BF%BD",
      'a(b)',
    ]);
  });

  it('say where the body ends, once', () => {
    const raw = ['Content-Length', '7', 'Transfer-Encoding', 'chunked', 'Trailer', 'X-Sum'];
    expect(sent(raw, { body: 7 }).filter((f) => /length|transfer|trailer/i.test(f))).toEqual([
      'Trailer: X-Sum',
      'Content-Length: 7',
    ]);
    expect(sent(raw, { body: 0 }).at(-1)).toBe('Content-Length: 0');
    expect(sent(raw, { body: 'chunked' }).at(-1)).toBe('Transfer-Encoding: chunked');
  });

  it('of HTTP/2 lose the pseudo-fields', () => {
    expect(sent([':path', '/', ':authority', 'x', ':method', 'GET', 'accept', 'a'])).toEqual([
      OURS[0],
      'accept: a',
      ...OURS.slice(1),
    ]);
  });

  it('of a websocket ask for that and nothing else', () => {
    const raw = [
      'Upgrade',
      'websocket',
      'Connection',
      'Upgrade, HTTP2-Settings',
      'HTTP2-Settings',
      'x',
      'Sec-WebSocket-Key',
      'k',
      'Sec-WebSocket-Version',
      '13',
    ];
    const got = sent(raw, { websocketKey: 'k' });
    expect(got.slice(-3)).toEqual(['Sec-WebSocket-Key: k', 'Upgrade: websocket', 'Connection: Upgrade']);
    expect(got.filter((field) => /key|settings/i.test(field))).toHaveLength(1);
    expect(sent(raw).filter((field) => /^(upgrade|connection|http2)/i.test(field))).toEqual([]);
  });
});

describe('the fields of an answer', () => {
  it.each([
    [
      200,
      [
        'Connection',
        'close, X-A',
        'X-A',
        '1',
        'Keep-Alive',
        'x',
        'Upgrade',
        'h2c',
        'Transfer-Encoding',
        'chunked',
        'X-B',
        '2',
      ],
      ['X-B: 2'],
    ],
    [200, ['Content-Length', '3'], ['Content-Length: 3']],
    [304, ['Content-Length', '3'], ['Content-Length: 3']],
    [204, ['Content-Length', '0', 'X', 'y'], ['X: y']],
    [200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2; Path=/'], ['Set-Cookie: a=1', 'Set-Cookie: b=2; Path=/']],
    ...[
      'gatehouse_session=x',
      '__Host-gatehouse_target=x; Secure',
      ' Gatehouse_x = y',
      '=gatehouse_x=y',
      'gatehouse_x',
      '__SECURE-gatehouse_x=1',
    ].map((cookie): [number, string[], string[]] => [
      200,
      ['set-cookie', cookie, 'Set-Cookie', 'a=gatehouse_x'],
      ['Set-Cookie: a=gatehouse_x'],
    ]),
  ])('%d %j', (status, fields, kept) => {
    expect(pairs(responseFields(fields, status))).toEqual(kept);
  });

  it('accept the websocket that was asked for, and nothing else', () => {
    const key = 'dGhlIHNhbXBsZSBub25jZQ==';
    expect(acceptOf(key)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    const good = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', acceptOf(key)];
    expect(acceptsWebsocket(good, key)).toBe(true);
    for (const bad of [
      good.slice(2),
      good.slice(0, 4),
      [...good.slice(0, 2), ...good.slice(4)],
      [...good, 'Upgrade', 'h2c'],
      [...good, 'Sec-WebSocket-Accept', 'x'],
      ['Upgrade', 'h2c', ...good.slice(2)],
      [...good.slice(0, 5), 'x'],
    ])
      expect(acceptsWebsocket(bad, key)).toBe(false);
  });
});

describe('trailers', () => {
  it('are what decides nothing', () => {
    const raw = [
      'X-Sum',
      '1',
      'grpc-status',
      '0',
      'Content-Length',
      '3',
      'Transfer_Encoding',
      'x',
      'Set-Cookie',
      'a=b',
      'Cookie',
      'a',
      'Remote_User',
      'root',
      'X-Forwarded-For',
      'x',
      'Client-Cert',
      'x',
      'Authorization',
      'x',
      'Host',
      'x',
      'TE',
      'trailers',
      'X-Gatehouse-A',
      'x',
      ':status',
      '200',
      'Cache-Control',
      'x',
    ];
    expect(pairs(trailerFields(raw))).toEqual(['X-Sum: 1', 'grpc-status: 0']);
  });
});

describe('names', () => {
  it('of cookies are ours with any prefix and in any case', () => {
    expect(['gatehouse_a', '__Host-gatehouse_a', '__secure-GATEHOUSE_a'].filter((name) => !isOwnCookie(name))).toEqual(
      [],
    );
    expect(['gatehouse', 'xgatehouse_a', '__Hostgatehouse_a', '', '_', '__Host-'].filter(isOwnCookie)).toEqual([]);
  });

  it('of requests are short and plain', () => {
    expect(['a', '0b1c-2.d:e/f+g=', 'x'.repeat(128)].filter((id) => !isRequestId(id))).toEqual([]);
    expect(['', 'a b', 'a\n', 'x'.repeat(129), 'é', '"'].filter(isRequestId)).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { presentedBy, presentedBySite, SESSION_COOKIE } from './request-credential.js';

const ask = (headers: Record<string, string>, cookie?: string, viaIntegration = false) =>
  presentedBy(
    { headers, cookies: cookie ? { [SESSION_COOKIE]: cookie } : {}, viaIntegration } as never,
    SESSION_COOKIE,
  );

describe('what a request presents', () => {
  it('tells credentials apart by their form', () => {
    expect(ask({ authorization: 'Bearer abc.def' })).toEqual({ kind: 'apiKey', id: 'abc', secret: 'def' });
    expect(ask({ authorization: 'Bearer abc.d.e.f' })).toEqual({ kind: 'apiKey', id: 'abc', secret: 'd.e.f' });
    expect(ask({ authorization: 'Bearer sk_live_abc' })).toEqual({ kind: 'deviceKey', key: 'sk_live_abc' });
    expect(ask({ 'x-api-key': 'sk_live_abc' })).toEqual({ kind: 'deviceKey', key: 'sk_live_abc' });
    expect(ask({ authorization: 'Bearer spk_abc.def' })).toEqual({ kind: 'provisioningKey' });
    expect(ask({ 'x-api-key': 'spk-abc.def' })).toEqual({ kind: 'provisioningKey' });
  });

  it.each(['Bearer ', 'Bearer abc', 'Bearer .def', 'Bearer abc.', `Bearer a.${'x'.repeat(600)}`])(
    'refuses the form of %j',
    (authorization) => {
      expect(ask({ authorization })).toEqual({ kind: 'malformed' });
    },
  );

  it('takes Bearer literally, and no other scheme', () => {
    expect(ask({ authorization: 'bearer abc.def' })).toEqual({ kind: 'none' });
    expect(ask({ authorization: 'Basic YTpi' })).toEqual({ kind: 'none' });
  });

  it('judges a request with a cookie and a key by the key', () => {
    expect(ask({ authorization: 'Bearer abc.def' }, 'token')).toEqual({ kind: 'apiKey', id: 'abc', secret: 'def' });
    expect(ask({ authorization: 'Bearer broken' }, 'token')).toEqual({ kind: 'malformed' });
    expect(ask({ 'x-api-key': 'broken' }, 'token')).toEqual({ kind: 'malformed' });
  });

  it('takes the cookie on /api/v1 and ignores it on /v1', () => {
    expect(ask({}, 'token')).toEqual({ kind: 'session', token: 'token' });
    expect(ask({}, 'token', true)).toEqual({ kind: 'none' });
  });
});

describe('what a request to a route of sites presents', () => {
  const site = (headers: Record<string, string>, cookie?: string) =>
    presentedBySite({ headers, cookies: cookie ? { [SESSION_COOKIE]: cookie } : {} } as never, SESSION_COOKIE);
  const basic = (text: string | Buffer) => `Basic ${Buffer.from(text).toString('base64')}`;
  const token = `1-2-abc.${'A'.repeat(43)}`;

  it('is what newts have, too', () => {
    expect(site({ authorization: `Bearer ${token}` })).toEqual({ kind: 'sessionToken', token });
    expect(site({ authorization: basic('id:a:ü:b') })).toEqual({ kind: 'newt', newtId: 'id', secret: 'a:ü:b' });
    expect(site({ authorization: `bAsIc ${basic('id:s').slice(6)}` })).toMatchObject({ kind: 'newt' });
    expect(site({ authorization: 'Bearer sk_live_abc' })).toEqual({ kind: 'deviceKey', key: 'sk_live_abc' });
    expect(site({ authorization: 'Bearer abc.def' })).toEqual({ kind: 'apiKey', id: 'abc', secret: 'def' });
    expect(ask({ authorization: `Bearer ${token}` })).toMatchObject({ kind: 'apiKey' });
  });

  it.each([
    'Basic ',
    'Basic YQ',
    'Basic a b',
    'Basic !',
    basic('id:'),
    basic(':s'),
    basic('id'),
    basic(Buffer.from([0x69, 0x3a, 0xff])),
    basic(`${'i'.repeat(65)}:s`),
    basic(`i:${'s'.repeat(257)}`),
    `Basic ${'A'.repeat(4096)}`,
  ])('is refused for the form of %j', (authorization) => {
    expect(site({ authorization })).toEqual({ kind: 'malformed' });
  });

  it('is the key where a proxy has a password of its own', () => {
    expect(site({ authorization: basic('proxy:pw'), 'x-api-key': 'sk_live_a' })).toMatchObject({ kind: 'deviceKey' });
  });

  it('is the cookie otherwise', () => {
    expect(site({}, 'token')).toEqual({ kind: 'session', token: 'token' });
    expect(site({})).toEqual({ kind: 'none' });
  });
});

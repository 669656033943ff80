import { describe, expect, it } from 'vitest';
import { presentedBy, SESSION_COOKIE } from './request-credential.js';

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

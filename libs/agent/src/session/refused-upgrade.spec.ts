import { describe, expect, it } from 'vitest';
import { failedOpening, refusedUpgrade } from './refused-upgrade.js';

const envelope = (message: string) => JSON.stringify({ data: null, success: false, error: true, message });
const PROXY = /a proxy in between does not pass on the websocket/;

describe('a refused session request', () => {
  it.each([
    [200, '<html>'],
    [400, 'Bad Request'],
    [400, envelope('Not a websocket')],
    [403, '<html>forbidden'],
    [404, envelope('Not found')],
    [426, ''],
    [401, '<html>login'],
  ])('with %i %j is a proxy that does not pass on the websocket', (status, body) => {
    expect(refusedUpgrade(status, body)).toMatch(PROXY);
    expect(refusedUpgrade(status, body)).toContain(`answered with ${status}`);
  });

  it.each([401, 429, 503])('with the server’s own %i is told in its words', (status) => {
    expect(refusedUpgrade(status, envelope('In its words'))).toBe(
      `the session request was answered with ${status}: In its words`,
    );
  });

  it.each([429, 502, 503, 504])('with another’s %i says who may have answered', (status) => {
    expect(refusedUpgrade(status, '<html>')).toBe(
      `the session request was answered with ${status}, by something before the server`,
    );
  });

  it('with 407 names the proxy’s login', () => {
    expect(refusedUpgrade(407, '')).toMatch(/user and a password/);
  });
});

describe('a failed opening', () => {
  it.each(['Invalid Upgrade header', 'Invalid Sec-WebSocket-Accept header', 'Parse Error: Expected HTTP/'])(
    '%s is a proxy’s',
    (message) => {
      expect(failedOpening(message)).toMatch(PROXY);
    },
  );

  it('that takes too long may be one', () => {
    expect(failedOpening('Opening handshake has timed out')).toMatch(/proxy that does not pass on the websocket/);
  });

  it('of another kind is told as it is', () => {
    expect(failedOpening('connect ECONNREFUSED')).toBe('connect ECONNREFUSED');
  });
});

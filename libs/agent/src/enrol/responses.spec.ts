import { describe, expect, it } from 'vitest';
import { NetworkFailure } from '../session/server-link.js';
import { readClaimResponse, readTokenResponse } from './responses.js';

const answer = (status: number, body?: unknown) => ({ status, body, retryAfter: undefined });
const refusal = (message: string, code?: string) => ({
  data: null,
  success: false,
  error: true,
  message,
  status: 401,
  ...(code ? { code } : {}),
});

describe('a claim', () => {
  it.each([201, 200])('is granted by %i with id and secret', (status) => {
    const verdict = readClaimResponse(
      answer(status, { data: { newtId: 'n', secret: 's' }, success: true, error: false }),
    );
    expect(verdict).toEqual({ kind: 'ok', value: { newtId: 'n', secret: 's' } });
  });

  it('is refused by the uniform refusal alone, with the code or without', () => {
    expect(readClaimResponse(answer(401, refusal('Invalid provisioning key', 'invalid_provisioning_key')))).toEqual({
      kind: 'refused',
    });
    expect(readClaimResponse(answer(401, refusal('Invalid provisioning key')))).toEqual({ kind: 'refused' });
  });

  it('is invalid by a 400 of the server', () => {
    expect(readClaimResponse(answer(400, { ...refusal('name is too long', 'validation') }))).toEqual({
      kind: 'invalid',
      message: 'name is too long',
    });
  });

  it.each([
    [403, undefined],
    [403, { error: 'permission_denied' }],
    [401, undefined],
    [401, { message: 'Invalid provisioning key' }],
    [401, refusal('Log in to the hotel network')],
    [401, refusal('Invalid provisioning key', 'hotel')],
    [200, undefined],
    [200, { data: { newtId: '', secret: '' }, success: true }],
    [200, { data: { newtId: 'n', secret: 's' } }],
    [200, [1]],
    [400, { error: 'bad' }],
    [429, refusal('Too many', 'rate_limited')],
    [502, undefined],
    [503, refusal('No address is free', 'capacity')],
  ])('has no verdict in %i %j', (status, body) => {
    expect(() => readClaimResponse(answer(status, body))).toThrow(NetworkFailure);
  });
});

describe('a token', () => {
  it('comes with exactly 200', () => {
    const body = { data: { token: 't', serverVersion: '1.13.0' }, success: true };
    expect(readTokenResponse(answer(200, body))).toEqual({
      kind: 'ok',
      value: { token: 't', serverVersion: '1.13.0' },
    });
    expect(() => readTokenResponse(answer(201, body))).toThrow(NetworkFailure);
  });

  it('is refused for ever by credential_unusable alone', () => {
    expect(readTokenResponse(answer(401, refusal('no', 'credential_unusable')))).toMatchObject({ kind: 'refused' });
    for (const body of [undefined, refusal('no'), refusal('no', 'unauthenticated'), { code: 'credential_unusable' }]) {
      expect(() => readTokenResponse(answer(401, body))).toThrow(NetworkFailure);
    }
    expect(() => readTokenResponse(answer(403, refusal('no', 'credential_unusable')))).toThrow(NetworkFailure);
  });
});

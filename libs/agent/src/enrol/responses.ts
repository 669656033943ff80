import {
  type ClaimResponse,
  CREDENTIAL_UNUSABLE,
  INVALID_PROVISIONING_KEY,
  INVALID_PROVISIONING_KEY_MESSAGE,
  type TokenResponse,
} from '../../../contracts/index.js';
import { NetworkFailure, type ServerResponse } from '../session/server-link.js';

/** `data` of a refusal may hold the statement that the site is over. */
export type Verdict<T> =
  | { kind: 'ok'; value: T }
  | { kind: 'refused'; data?: unknown }
  | { kind: 'invalid'; message: string };

/** What a claim brought. With a `certificate` the secret is its key. */
export type Claimed = ClaimResponse & { certificate?: string };

/**
 * Judges the answer to a claim. Only Gatehouse's own envelope is a refusal; a proxy's or captive portal's answer is a network failure.
 * @throws NetworkFailure for everything that is not the server's own word
 */
export function readClaimResponse(answer: ServerResponse): Verdict<Claimed> {
  const body = objectOf(answer.body);
  const data = objectOf(body['data']);
  if (answer.status >= 200 && answer.status < 300 && body['success'] === true) {
    const { newtId, secret, expiresAt, ephemeralSeconds } = data;
    if (typeof newtId === 'string' && newtId !== '' && typeof secret === 'string') {
      const value = { newtId, secret, ...lasting(expiresAt, ephemeralSeconds), ...thumbprints(data) };
      return { kind: 'ok', value };
    }
  }
  if (answer.status === 401 && isErrorEnvelope(body)) {
    const known =
      body['code'] === undefined
        ? body['message'] === INVALID_PROVISIONING_KEY_MESSAGE
        : body['code'] === INVALID_PROVISIONING_KEY;
    if (known) return { kind: 'refused' };
  }
  return invalidOr(answer);
}

export type Provisioned = Omit<ClaimResponse, 'secret'> & {
  credentialType: string;
  certificate?: string;
  chain?: unknown;
};

/** The same for the answer of the devices' endpoint, which has no envelope. */
export function readProvisionAnswer(answer: ServerResponse): Verdict<Provisioned> {
  const body = objectOf(answer.body);
  const { device_id: newtId, credential_type: credentialType, certificate } = body;
  if (answer.status >= 200 && answer.status < 300 && typeof newtId === 'string' && typeof credentialType === 'string')
    return {
      kind: 'ok',
      value: {
        newtId,
        credentialType,
        ...(typeof certificate === 'string' ? { certificate, chain: body['certificate_chain'] } : {}),
        ...lasting(body['expires_at'], body['ephemeral_seconds']),
        ...thumbprints({
          signingKeyThumbprint: body['signing_key_thumbprint'],
          nextSigningKeyThumbprint: body['next_signing_key_thumbprint'],
        }),
      },
    };
  // A portal's 403 is another body.
  if (answer.status === 403 && JSON.stringify(body) === '{"error":"permission_denied"}') return { kind: 'refused' };
  return invalidOr(answer);
}

function lasting(expiresAt: unknown, ephemeralSeconds: unknown): Pick<ClaimResponse, 'expiresAt' | 'ephemeralSeconds'> {
  return {
    ...(typeof expiresAt === 'string' ? { expiresAt } : {}),
    ...(typeof ephemeralSeconds === 'number' ? { ephemeralSeconds } : {}),
  };
}

function thumbprints({
  signingKeyThumbprint,
  nextSigningKeyThumbprint,
}: Record<string, unknown>): Partial<ClaimResponse> {
  if (!isThumbprint(signingKeyThumbprint)) return {};
  return {
    signingKeyThumbprint,
    ...(isThumbprint(nextSigningKeyThumbprint) ? { nextSigningKeyThumbprint } : {}),
  };
}

function isThumbprint(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value);
}

/**
 * Judges get-token's answer. `refused` means that this credential will not work again.
 * @throws NetworkFailure for everything that is not the server's own word
 */
export function readTokenResponse(answer: ServerResponse): Verdict<TokenResponse> {
  const body = objectOf(answer.body);
  const data = objectOf(body['data']);
  if (answer.status === 200 && body['success'] === true && typeof data['token'] === 'string' && data['token'] !== '') {
    return {
      kind: 'ok',
      value: {
        token: data['token'],
        serverVersion: typeof data['serverVersion'] === 'string' ? data['serverVersion'] : '',
      },
    };
  }
  if (isUnusable(answer)) return { kind: 'refused', data: body['data'] };
  return invalidOr(answer);
}

/** The server's own word that a site credential will not work again. */
export function isUnusable(answer: ServerResponse): boolean {
  return answer.status === 401 && errorCode(answer) === CREDENTIAL_UNUSABLE;
}

/** The code of an error envelope of Gatehouse; undefined for everything else. */
export function errorCode(answer: ServerResponse): string | undefined {
  const body = objectOf(answer.body);
  return isErrorEnvelope(body) && typeof body['code'] === 'string' ? body['code'] : undefined;
}

/** Our own 400 names a field: trying the same again is of no use. @throws NetworkFailure for everything else */
export function invalidOr(answer: ServerResponse): { kind: 'invalid'; message: string } {
  const body = objectOf(answer.body);
  if (answer.status === 400 && isErrorEnvelope(body) && body['code'] === 'validation')
    return { kind: 'invalid', message: String(body['message']) };
  const reason = isErrorEnvelope(body)
    ? `: ${String(body['message'])}`
    : answer.body === undefined
      ? ', not JSON: a proxy or captive portal?'
      : '';
  throw new NetworkFailure(`unexpected answer ${answer.status}${reason}`, answer.retryAfter);
}

function isErrorEnvelope(body: Record<string, unknown>): boolean {
  return body['success'] === false && body['error'] === true && typeof body['message'] === 'string';
}

export function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

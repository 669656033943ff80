import type { GatehouseRequest } from '#platform';

/** What a request presents to prove who asks; not yet looked up. */
export type Presented =
  | { kind: 'apiKey'; id: string; secret: string }
  | { kind: 'deviceKey'; key: string }
  | { kind: 'provisioningKey' }
  | { kind: 'session'; token: string }
  | { kind: 'malformed' }
  | { kind: 'none' };

export const SESSION_COOKIE = 'gatehouse_session';
/** The prefix makes browsers refuse the cookie unless it is Secure, host-only and for the whole site. */
export const SECURE_SESSION_COOKIE = `__Host-${SESSION_COOKIE}`;

export const CSRF_HEADER = 'x-csrf-token';
export const CSRF_VALUE = 'x-csrf-protection';

const MAX_TOKEN = 512;

/**
 * Reads the credential of a request: a key wins over the cookie, and `/v1` ignores cookies (docs/claims.md rule 14).
 * `Bearer ` is case sensitive (docs/integration-api.md §1.5); other schemes, as a proxy's Basic, are not ours.
 */
export function presentedBy(
  request: Pick<GatehouseRequest, 'headers' | 'cookies' | 'viaIntegration'>,
  cookieName: string,
): Presented {
  const { authorization } = request.headers;
  if (authorization?.startsWith('Bearer ')) return parseToken(authorization.slice('Bearer '.length).trim());
  const header = request.headers['x-api-key'];
  if (typeof header === 'string') return parseToken(header.trim());
  const token = request.viaIntegration ? undefined : request.cookies?.[cookieName];
  return token ? { kind: 'session', token } : { kind: 'none' };
}

function parseToken(token: string): Presented {
  if (token.length > MAX_TOKEN) return { kind: 'malformed' };
  if (token.startsWith('sk_live_')) return { kind: 'deviceKey', key: token };
  if (/^spk[-_]/.test(token)) return { kind: 'provisioningKey' };
  const dot = token.indexOf('.');
  if (dot < 1 || dot === token.length - 1) return { kind: 'malformed' };
  return { kind: 'apiKey', id: token.slice(0, dot), secret: token.slice(dot + 1) };
}

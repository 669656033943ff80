import type { GatehouseRequest, TlsCredential } from '#platform';

/** What a request presents to prove who asks; not yet looked up. */
export type Presented =
  | { kind: 'apiKey'; id: string; secret: string }
  | { kind: 'deviceKey'; key: string }
  /** Of a site: what get-token answered it with. */
  | { kind: 'sessionToken'; token: string }
  /** Of a site: id and secret of its newt credential. */
  | { kind: 'newt'; newtId: string; secret: string }
  /** Of a site: what its connection proves. */
  | TlsCredential
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
/** Id and secret of a newt, as get-token takes them, in base64. */
const MAX_BASIC = 2048;
const MAX_NEWT_ID = 64;
const MAX_NEWT_SECRET = 256;

const SESSION_TOKEN = /^[0-9a-z]+-[0-9a-z]+-[0-9a-z]+\.[A-Za-z0-9_-]{43}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

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

/**
 * The same on routes of sites, which take what newts have as well: the session token as Bearer, and id and secret as Basic (RFC 7617). Basic
 * stands behind the other headers, since a proxy may have a password of its own.
 */
export function presentedBySite(
  request: Pick<GatehouseRequest, 'headers' | 'cookies' | 'viaIntegration'>,
  cookieName: string,
): Presented {
  const { authorization } = request.headers;
  const bearer = authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length).trim() : '';
  if (SESSION_TOKEN.test(bearer)) return { kind: 'sessionToken', token: bearer };
  const presented = presentedBy(request, cookieName);
  const basic = /^Basic +(.*)$/i.exec(authorization ?? '')?.[1];
  if (basic === undefined || request.headers['x-api-key'] !== undefined) return presented;
  return parseBasic(basic.trim());
}

/** The id ends at the first colon; both are UTF-8. */
function parseBasic(encoded: string): Presented {
  if (encoded.length > MAX_BASIC || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return { kind: 'malformed' };
  let text: string;
  try {
    text = utf8.decode(Buffer.from(encoded, 'base64'));
  } catch {
    return { kind: 'malformed' };
  }
  const colon = text.indexOf(':');
  const [newtId, secret] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon < 1 || colon > MAX_NEWT_ID || secret === '' || secret.length > MAX_NEWT_SECRET)
    return { kind: 'malformed' };
  return { kind: 'newt', newtId, secret };
}

function parseToken(token: string): Presented {
  if (token.length > MAX_TOKEN) return { kind: 'malformed' };
  if (token.startsWith('sk_live_')) return { kind: 'deviceKey', key: token };
  if (/^spk[-_]/.test(token)) return { kind: 'provisioningKey' };
  const dot = token.indexOf('.');
  if (dot < 1 || dot === token.length - 1) return { kind: 'malformed' };
  return { kind: 'apiKey', id: token.slice(0, dot), secret: token.slice(dot + 1) };
}

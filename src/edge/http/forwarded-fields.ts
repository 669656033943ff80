import { isFieldValue, listOf } from './field-syntax.js';
import { isOwnCookie } from './own-names.js';
import type { Fields } from './response-head.js';

/** Who logged in, as targets are told. */
export interface Identity {
  user: string;
  email: string;
  name: string;
  role: string;
  /** A signed one of the same, for targets that trust no bare field. */
  assertion: string;
}

/** What is said to a target beside what the visitor said. */
export interface Forwarding {
  /** Whose socket it is: the visitor's, or that of a proxy. */
  peer: string;
  /** The visitor's, as far as proxies are believed. */
  client: string;
  /** Whether the peer is a proxy of TRUST_PROXY: what it says of those before it is kept. */
  trusted: boolean;
  scheme: 'http' | 'https';
  /** As it was asked for, with a port that was named. */
  host: string;
  port: number;
  requestId: string;
  /** Bytes of the body, or that these are not known yet; undefined where there is none. */
  body: number | 'chunked' | undefined;
  /** Of a websocket that was asked for. */
  websocketKey?: string | undefined;
  identity?: Identity | undefined;
  /** Header auth took the visitor's credentials: they are not the target's. */
  withoutAuthorization: boolean;
  setHostHeader: string | null;
  rules?: HeaderRules | undefined;
}

const DROP = 1;
const COOKIE = 2;
const AUTHORIZATION = 3;
const FORWARDED_FOR = 4;
const FORWARDED = 5;
const TE = 6;

const named = (action: number, names: string): [string, number][] => names.split(' ').map((name) => [name, action]);

/** Of one connection (RFC 9110 §7.6.1), and what says where a message ends. */
const HOP_BY_HOP =
  'connection keep-alive proxy-connection proxy-authenticate proxy-authorization transfer-encoding upgrade http2-settings content-length';
const IDENTITY = 'remote-user remote-email remote-name remote-role gatehouse-assertion';

/** Of requests, by the name in lower case with `-` for `_`: servers behind CGI do not tell these apart. */
const REQUEST = new Map([
  ...named(DROP, `${HOP_BY_HOP} host ${IDENTITY}`),
  ...named(DROP, 'client-cert client-cert-chain p-access-token p-access-token-id x-real-ip x-request-id'),
  ...named(COOKIE, 'cookie'),
  ...named(AUTHORIZATION, 'authorization'),
  ...named(FORWARDED_FOR, 'x-forwarded-for'),
  ...named(FORWARDED, 'forwarded'),
  ...named(TE, 'te'),
]);
const RESPONSE = new Set(HOP_BY_HOP.replace(' content-length', '').split(' '));
/** What a recipient acts upon before it has read a body (RFC 9110 §6.5.1). */
const NO_TRAILERS = new Set(
  [
    ...REQUEST.keys(),
    ...'trailer set-cookie content-type content-encoding content-range cache-control expect max-forwards range'.split(
      ' ',
    ),
    ...'if-match if-none-match if-modified-since if-unmodified-since if-range age date expires location retry-after'.split(
      ' ',
    ),
    ...'vary warning www-authenticate authentication-info'.split(' '),
  ].filter((name) => name !== 'te'),
);
const OWN_PREFIXES = ['x-gatehouse-', 'x-forwarded-'];

function normal(name: string): string {
  const lower = name.toLowerCase();
  return lower.includes('_') ? lower.replaceAll('_', '-') : lower;
}

/** @returns what is done with a field of a visitor; undefined: it goes on */
function actionOf(name: string): number | undefined {
  return (
    REQUEST.get(name) ??
    (name.charCodeAt(0) === 120 && OWN_PREFIXES.some((own) => name.startsWith(own)) ? DROP : undefined)
  );
}

/** The headers that a resource sets, ready to be used for each request; an empty value takes a header away. */
export interface HeaderRules {
  names: ReadonlySet<string>;
  set: Fields;
}

/** @param headers those that would change where a message ends are left out */
export function compileHeaderRules(headers: readonly { name: string; value: string }[]): HeaderRules | undefined {
  const usable = headers.filter(({ name }) => !HOP_BY_HOP.split(' ').includes(normal(name)) && normal(name) !== 'te');
  if (usable.length === 0) return undefined;
  return {
    names: new Set(usable.map(({ name }) => normal(name))),
    set: usable.flatMap(({ name, value }) => (value === '' ? [] : [name, value])),
  };
}

/** The fields of a request as its target gets them. @param raw of a checked request, with pseudo-fields or without */
export function requestFields(raw: readonly string[], forwarding: Forwarding): Fields {
  const { rules, trusted } = forwarding;
  const connection = namedByConnection(raw);
  const out: Fields = ['Host', forwarding.setHostHeader ?? forwarding.host];
  let forwardedFor = '';
  let forwarded = '';
  let cookies = '';
  let takesTrailers = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.charCodeAt(0) === 58) continue;
    const value = raw[i + 1]!;
    const plain = normal(name);
    if (connection?.has(plain) && plain !== 'te') continue;
    switch (actionOf(plain)) {
      case undefined:
        if (!rules?.names.has(plain)) out.push(name, value);
        break;
      case COOKIE: {
        const kept = withoutOwnCookies(value);
        if (kept !== '') cookies += cookies === '' ? kept : `; ${kept}`;
        break;
      }
      case AUTHORIZATION:
        if (!forwarding.withoutAuthorization && !rules?.names.has(plain)) out.push(name, value);
        break;
      case FORWARDED_FOR:
        if (trusted && value !== '' && name.length === plain.length && !name.includes('_'))
          forwardedFor += `${value}, `;
        break;
      case FORWARDED:
        if (trusted && value !== '') forwarded += `${value}, `;
        break;
      case TE:
        takesTrailers ||= listOf(value).includes('trailers');
        break;
    }
  }
  if (cookies !== '' && !rules?.names.has('cookie')) out.push('Cookie', cookies);
  // The one coding that is nothing of the connection, and is named by it all the same (RFC 9110 §10.1.4).
  if (takesTrailers && forwarding.websocketKey === undefined) out.push('TE', 'trailers', 'Connection', 'TE');
  addOurs(out, forwarding, forwardedFor, forwarded);
  return out;
}

function addOurs(out: Fields, forwarding: Forwarding, forwardedFor: string, forwarded: string): void {
  const { peer, client, scheme, host, rules, websocketKey, identity, body } = forwarding;
  const ours: Fields = [
    'X-Forwarded-For',
    forwardedFor + peer,
    'X-Forwarded-Proto',
    scheme,
    'X-Forwarded-Host',
    host,
    'X-Forwarded-Port',
    String(forwarding.port),
    'X-Real-IP',
    client,
    'Forwarded',
    `${forwarded}for=${node(peer)};proto=${scheme};host=${quoted(host)}`,
    'X-Request-Id',
    forwarding.requestId,
  ];
  if (identity) {
    ours.push('Remote-User', fieldText(identity.user), 'Remote-Email', fieldText(identity.email));
    ours.push('Remote-Name', fieldText(identity.name), 'Remote-Role', fieldText(identity.role));
    ours.push('Gatehouse-Assertion', identity.assertion);
  }
  if (!rules) out.push(...ours);
  else {
    for (let i = 0; i < ours.length; i += 2)
      if (!rules.names.has(ours[i]!.toLowerCase())) out.push(ours[i]!, ours[i + 1]!);
    if (rules.names.has('host') && rules.set.some((name, i) => i % 2 === 0 && normal(name) === 'host'))
      out.splice(0, 2);
    out.push(...rules.set);
  }
  if (websocketKey !== undefined) {
    for (let i = out.length - 2; i >= 0; i -= 2) if (normal(out[i]!) === 'sec-websocket-key') out.splice(i, 2);
    out.push('Sec-WebSocket-Key', websocketKey, 'Upgrade', 'websocket', 'Connection', 'Upgrade');
  } else if (body === 'chunked') out.push('Transfer-Encoding', 'chunked');
  else if (body !== undefined) out.push('Content-Length', String(body));
}

/** The fields of an answer as its visitor gets them. How long the body is, the writer of the answer says by what is left here. */
export function responseFields(fields: Readonly<Fields>, status: number): Fields {
  const connection = namedByConnection(fields);
  const out: Fields = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    const lower = name.toLowerCase();
    if (RESPONSE.has(lower) || connection?.has(lower)) continue;
    if (lower === 'content-length' && (status === 204 || status < 200)) continue;
    if (lower === 'set-cookie' && setsOwnCookie(value)) continue;
    out.push(name, value);
  }
  return out;
}

/** The trailers of a request or an answer as they go on. */
export function trailerFields(fields: readonly string[]): Fields {
  const out: Fields = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = normal(fields[i]!);
    if (name.charCodeAt(0) !== 58 && !NO_TRAILERS.has(name) && name !== 'te' && actionOf(name) === undefined)
      out.push(fields[i]!, fields[i + 1]!);
  }
  return out;
}

/** What `Connection` names beside the usual: these go no further (RFC 9110 §7.6.1). */
function namedByConnection(raw: readonly string[]): Set<string> | undefined {
  let names: Set<string> | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length !== 10 || raw[i]!.toLowerCase() !== 'connection') continue;
    const value = raw[i + 1]!;
    if (value === 'keep-alive' || value === 'close' || value === 'Upgrade') continue;
    for (const name of listOf(value)) (names ??= new Set()).add(normal(name));
  }
  return names;
}

/** The cookies of a request that are not the edge's. */
function withoutOwnCookies(value: string): string {
  // Most hold none of ours, in whatever case.
  if (!/gatehouse_/i.test(value)) return value;
  return value
    .split(';')
    .filter((pair) => !isOwnCookie(cookieName(pair)))
    .join(';')
    .trim();
}

/** A cookie without a name is sent back as what stands behind its `=`: `=a=b` would be `a`. */
function cookieName(pair: string): string {
  const text = pair.replace(/^[\s=]+/, '');
  const end = text.indexOf('=');
  return (end < 0 ? text : text.slice(0, end)).trim();
}

const setsOwnCookie = (value: string) => isOwnCookie(cookieName(value.split(';', 1)[0]!));

/** As RFC 8187 writes what is not ASCII; what looks like that is written so as well. */
export function fieldText(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !/^utf-8''/i.test(text)) return text;
  const encoded = encodeURIComponent(Buffer.from(text).toString()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `UTF-8''${encoded}`;
}

/** RFC 7239 §6: an IPv6 address is in brackets and quotes. */
const node = (address: string) => (address.includes(':') ? `"[${address}]"` : address);
const quoted = (host: string) => (host.includes(':') ? `"${host}"` : host);

/** A request id that a trusted proxy may give: short, and nothing that a log or a field reads as more. */
export const isRequestId = (text: string) => text.length <= 128 && /^[\w.:/+=-]+$/.test(text) && isFieldValue(text);

import { type Host, parseHost } from '../routing/host-table.js';
import { isAll, isFieldValue, isLength, listOf, TOKEN } from './field-syntax.js';

/** A request that has one reading. */
export interface CheckedRequest {
  host: Host;
  /** Path and query, beginning with `/`. */
  target: string;
  method: string;
  /** What an extended CONNECT asks for (RFC 8441): a websocket, and nothing else. */
  websocket: boolean;
}

/** Why there is no request. 400 ends the connection of HTTP/1.1, and the stream of HTTP/2, by a reset. */
export interface RequestProblem {
  status: 400 | 405 | 414 | 431;
  problem: string;
}

const MAX_FIELDS = 100;
const MAX_FIELD_BYTES = 16_384;
const MAX_URL = 8192;

const refuse = (status: RequestProblem['status'], problem: string): RequestProblem => ({ status, problem });
const TOO_MANY = refuse(431, `more than ${MAX_FIELDS} fields, or ${MAX_FIELD_BYTES} bytes of them`);
const TOO_LONG = refuse(414, `the address is longer than ${MAX_URL} characters`);
const NOT_TAKEN = refuse(405, 'this method is not taken');
const NO_HOST = refuse(400, 'there is no host');
const MANY_HOSTS = refuse(400, 'there is more than one host');
const BAD_HOST = refuse(400, 'the host is none');
const OTHER_HOST = refuse(400, 'the address names another host');
const BAD_TARGET = refuse(400, 'the address is no path');
const LENGTHS = refuse(400, 'the body has more than one length');
const BAD_LENGTH = refuse(400, 'the length of the body is no number');
const BAD_CODING = refuse(400, 'the body has a transfer coding that is not taken');
const BAD_FIELD = refuse(400, 'a field holds what none may hold');
const OF_A_CONNECTION = refuse(400, 'a field belongs to connections of HTTP/1.1');
const PSEUDO = refuse(400, 'the request is not complete');

/**
 * Judges what node's parser let through (docs of limits: the edge's contract, step 1). Line ends, folded values, spaces before colons,
 * sizes of chunks and both lengths at once are refused by llhttp already, which the spec proves.
 */
export function checkRequest(
  method: string,
  url: string,
  version: string,
  rawHeaders: readonly string[],
): CheckedRequest | RequestProblem {
  if (url.length > MAX_URL) return TOO_LONG;
  if (rawHeaders.length > 2 * MAX_FIELDS) return TOO_MANY;
  if (!isTaken(method)) return NOT_TAKEN;
  let bytes = 0;
  let host: string | undefined;
  let length: string | undefined;
  let coding: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const value = rawHeaders[i + 1]!;
    bytes += name.length + value.length + 4;
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break;
        if (host !== undefined) return MANY_HOSTS;
        host = value;
        break;
      case 14:
        if (name.toLowerCase() !== 'content-length') break;
        if (length !== undefined) return LENGTHS;
        length = value;
        break;
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break;
        if (coding !== undefined) return BAD_CODING;
        coding = value;
        break;
    }
  }
  if (bytes > MAX_FIELD_BYTES) return TOO_MANY;
  if (coding !== undefined) {
    if (length !== undefined) return LENGTHS;
    if (version === '1.0' || coding.toLowerCase() !== 'chunked') return BAD_CODING;
  }
  if (length !== undefined && !isLength(length)) return BAD_LENGTH;
  if (host === undefined) return NO_HOST;
  const parsed = parseHost(host);
  if (parsed === undefined) return BAD_HOST;
  const target = url.charCodeAt(0) === 47 ? url : originForm(url, parsed);
  if (typeof target !== 'string') return target;
  return isTarget(target) ? { host: parsed, target, method, websocket: false } : BAD_TARGET;
}

/**
 * The same for HTTP/2, where nghttp2 has judged already: upper case, order and repetition of pseudo-fields, a body unlike its length.
 * @param rawHeaders with the pseudo-fields, as node's server gives them
 */
export function checkHttp2Request(rawHeaders: readonly string[]): CheckedRequest | RequestProblem {
  if (rawHeaders.length > 2 * (MAX_FIELDS + 5)) return TOO_MANY;
  const pseudo: Record<string, string> = Object.create(null);
  let bytes = 0;
  let host: string | undefined;
  let length: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const value = rawHeaders[i + 1]!;
    if (name.charCodeAt(0) === 58) {
      if (pseudo[name] !== undefined || value === '') return PSEUDO;
      pseudo[name] = value;
      continue;
    }
    bytes += name.length + value.length + 4;
    if (!isAll(TOKEN, name) || !isFieldValue(value)) return BAD_FIELD;
    switch (name.toLowerCase()) {
      case 'host':
        if (host !== undefined) return MANY_HOSTS;
        host = value;
        break;
      case 'content-length':
        if (length !== undefined) return LENGTHS;
        if (!isLength(value)) return BAD_LENGTH;
        length = value;
        break;
      case 'te':
        if (value.toLowerCase() !== 'trailers') return OF_A_CONNECTION;
        break;
      case 'connection':
      case 'keep-alive':
      case 'proxy-connection':
      case 'transfer-encoding':
      case 'upgrade':
      case 'http2-settings':
        return OF_A_CONNECTION;
    }
  }
  if (bytes > MAX_FIELD_BYTES) return TOO_MANY;
  const {
    ':method': method,
    ':path': path,
    ':scheme': scheme,
    ':authority': authority,
    ':protocol': protocol,
  } = pseudo;
  if (method === undefined) return PSEUDO;
  const websocket = method === 'CONNECT' && protocol === 'websocket';
  if (!websocket && (!isTaken(method) || protocol !== undefined)) return NOT_TAKEN;
  if (path === undefined || (scheme !== 'http' && scheme !== 'https')) return PSEUDO;
  if (path.length > MAX_URL) return TOO_LONG;
  const named = authority ?? host;
  if (named === undefined) return NO_HOST;
  const parsed = parseHost(named);
  if (parsed === undefined) return BAD_HOST;
  if (host !== undefined && authority !== undefined && !isSame(parsed, parseHost(host), scheme)) return OTHER_HOST;
  return isTarget(path) ? { host: parsed, target: path, method, websocket } : BAD_TARGET;
}

/**
 * Whether this asks for a websocket so that a target cannot take it for something else (RFC 6455 §4.1): then its key.
 * @param rawHeaders of a request of HTTP/1.1
 */
export function websocketKey(method: string, version: string, rawHeaders: readonly string[]): string | undefined {
  if (method !== 'GET' || version !== '1.1') return undefined;
  let upgrade: string | undefined;
  let key: string | undefined;
  let connection = '';
  let versions = '';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const value = rawHeaders[i + 1]!;
    switch (rawHeaders[i]!.toLowerCase()) {
      case 'upgrade':
        if (upgrade !== undefined) return undefined;
        upgrade = value;
        break;
      case 'connection':
        connection += `,${value}`;
        break;
      case 'sec-websocket-key':
        if (key !== undefined) return undefined;
        key = value;
        break;
      case 'sec-websocket-version':
        versions += value;
        break;
      case 'content-length':
      case 'transfer-encoding':
        // A request that changes the protocol has no body: where it ends would be a second opinion.
        if (value !== '0') return undefined;
        break;
    }
  }
  if (upgrade?.toLowerCase() !== 'websocket' || versions !== '13' || !listOf(connection).includes('upgrade'))
    return undefined;
  return key !== undefined && isKey(key) ? key : undefined;
}

/** 16 bytes as base64. */
function isKey(text: string): boolean {
  return text.length === 24 && Buffer.from(text, 'base64').toString('base64') === text;
}

/** Methods are told apart by case; those that would make this a tunnel or an echo are refused in any. */
function isTaken(method: string): boolean {
  if (method.length !== 7 && method.length !== 5) return isAll(TOKEN, method);
  const upper = method.toUpperCase();
  return upper !== 'CONNECT' && upper !== 'TRACE' && isAll(TOKEN, method);
}

/** The path of an address that names scheme and host, as one that is asked for by a proxy does (RFC 9112 §3.2.2). */
function originForm(url: string, host: Host): string | RequestProblem {
  const scheme = /^https?(?=:\/\/)/i.exec(url)?.[0].toLowerCase();
  if (scheme === undefined) return BAD_TARGET;
  const from = scheme.length + 3;
  let end = from;
  while (end < url.length && url[end] !== '/' && url[end] !== '?' && url[end] !== '#') end++;
  if (!isSame(host, parseHost(url.slice(from, end)), scheme)) return OTHER_HOST;
  return url[end] === '/' ? url.slice(end) : `/${url.slice(end)}`;
}

/** Whether both are one host; a port that is not said is that of the scheme. */
function isSame(one: Host, other: Host | undefined, scheme: string): boolean {
  const usual = scheme === 'https' ? 443 : 80;
  return other !== undefined && one.name === other.name && (one.port ?? usual) === (other.port ?? usual);
}

/** A fragment is no part of what is asked for, and spaces and control characters end it for some. */
function isTarget(target: string): boolean {
  if (target.charCodeAt(0) !== 47) return false;
  for (let i = 1; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code <= 32 || code === 35 || code === 127 || code > 255) return false;
  }
  return true;
}

// @ts-check
// What values may be: one function a kind. Plain Node, since `npm start` asks before anything is installed.
import { isIP } from 'node:net';
import { isIpv4Range } from '../ipv4-range.mjs';
import { readLocalTarget } from './local-targets.mjs';

/**
 * Says in one sentence what is wrong with a value that is set, or nothing. It never repeats a secret.
 *
 * @typedef {(value: string, name: string) => string | undefined} Rule
 */

export const LOG_LEVELS = /** @type {const} */ (['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']);

/** What a server process may do beside the API. */
export const SERVER_ROLES = /** @type {const} */ (['agents', 'jobs', 'edge']);

const HOST_NAME = /^(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/;

/**
 * What stands between commas.
 *
 * @param {string} value
 */
export const listed = (value) =>
  value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);

/**
 * @param {number} min
 * @param {number} max
 * @returns {Rule}
 */
export const whole = (min, max) => (value, name) =>
  /^\d+$/.test(value) && Number(value) >= min && Number(value) <= max
    ? undefined
    : `${name} must be a whole number from ${min} to ${max}, not "${value}".`;

/** @type {Rule} */
export const host = (value, name) =>
  isIP(value) || HOST_NAME.test(value) ? undefined : `${name} must be an address or a host name, not "${value}".`;

/** @type {Rule} */
export const origin = (value, name) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.pathname === '/' &&
    !url.search &&
    !url.hash &&
    !url.username &&
    !url.password
    ? undefined
    : `${name} must look like https://gatehouse.example.com, without a path, not "${value.replace(/\/\/.*@/, '//***@')}".`;
};

/** @type {Rule} */
export const proxies = (value, name) => {
  const wrong = listed(value).find((entry) => {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = isIP(address);
    const prefixOk = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
    return !['loopback', 'linklocal', 'uniquelocal'].includes(entry) && (!family || !prefixOk || rest.length > 0);
  });
  return wrong === undefined
    ? undefined
    : `${name} must list addresses or CIDRs of proxies, comma separated; "${wrong}" is neither.`;
};

/** @type {Rule} */
export const subnet = (value, name) =>
  isIpv4Range(value) && Number(value.split('/')[1]) <= 30
    ? undefined
    : `${name} must be an IPv4 network from /8 to /30 without host bits, such as 100.90.128.0/17, not "${value}".`;

/** @type {Rule} */
export const domain = (value, name) => {
  const bare = value.replace(/\.$/, '');
  return HOST_NAME.test(bare) && bare.length <= 253 ? undefined : `${name} must be a domain name, not "${value}".`;
};

/** @type {Rule} */
export const domains = (value, name) =>
  listed(value)
    .map((entry) => domain(entry, name))
    .find(Boolean);

/** @type {Rule} */
export const address = (value, name) => (isIP(value) ? undefined : `${name} must be an address, not "${value}".`);

/** What node:dns takes: an address, or `address:port` with IPv6 in brackets. @type {Rule} */
export const resolvers = (value, name) => {
  const wrong = listed(value).find((entry) => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(entry) ?? [];
    const portOk = Number(port ?? 53) < 65_536;
    return !(isIP(entry) || (portOk && (isIP(bracketed ?? '') === 6 || isIP(plain ?? '') === 4)));
  });
  return wrong === undefined
    ? undefined
    : `${name} must list addresses such as 9.9.9.9 or 127.0.0.1:5353, "${wrong}" is none.`;
};

/** @type {Rule} */
export const databaseUrl = (value, name) =>
  URL.canParse(value) && ['postgres:', 'postgresql:'].includes(new URL(value).protocol)
    ? undefined
    : `${name} must look like postgres://user:password@host:5432/database; in the password, % stands for itself as %25, @ as %40, / as %2F, # as %23 (or set PGPASSWORD and leave it out).`;

/**
 * @param {string} value
 * @returns {Buffer | undefined} undefined for what is not 32 bytes in base64
 */
export function decodeMasterKey(value) {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(value)) return undefined;
  const key = Buffer.from(value, 'base64');
  return key.length === 32 ? key : undefined;
}

/** @type {Rule} */
export const masterKey = (value, name) =>
  decodeMasterKey(value)
    ? undefined
    : `${name} must be 32 bytes in base64, as \`openssl rand -base64 32\` prints them.`;

/** @type {Rule} */
export const email = (value, name) =>
  value.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(value)
    ? undefined
    : `${name} must be an e-mail address, not "${value}".`;

/** @type {Rule} */
export const password = (value, name) =>
  Buffer.byteLength(value) >= 8 && Buffer.byteLength(value) <= 72 ? undefined : `${name} must have 8 to 72 bytes.`;

export const ROOT_API_KEY = /^(?!spk[-_]|sk_live_)([A-Za-z0-9_-]{1,64})\.([\x21-\x7e]{32,200})$/;

/** @type {Rule} */
export const rootApiKey = (value, name) =>
  ROOT_API_KEY.test(value)
    ? undefined
    : `${name} must look like <id>.<secret>: an id of at most 64 letters and digits, a secret of 32 to 200 characters.`;

/** @type {Rule} */
export const smtpUrl = (value, name) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url && ['smtp:', 'smtps:'].includes(url.protocol) && url.hostname
    ? undefined
    : `${name} must look like smtps://user:password@mail.example.com:465.`;
};

/** @type {Rule} */
export const sender = (value, name) =>
  /^([^<>@\r\n]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(value)
    ? undefined
    : `${name} must look like gatehouse@example.com or Gatehouse <gatehouse@example.com>, not "${value}".`;

/** @type {Rule} */
export const roles = (value, name) => {
  const given = listed(value);
  if (given.length === 0) return `${name} must name at least one role.`;
  const wrong = given.find((entry) => !SERVER_ROLES.some((role) => role === entry));
  return wrong === undefined ? undefined : `${name} must be a list of ${SERVER_ROLES.join(', ')}, not "${wrong}".`;
};

/** @type {Rule} */
export const localTargets = (value, name) => {
  const wrong = listed(value)
    .map((entry) => ({ entry, ...readLocalTarget(entry) }))
    .find((read) => 'problem' in read);
  return wrong && 'problem' in wrong ? `${name}: "${wrong.entry}": ${wrong.problem}.` : undefined;
};

/** @typedef {{ from: number, to: number }} PortRange */

/**
 * @param {string} entry a port, or `from-to`
 * @returns {PortRange | undefined} undefined for what is neither
 */
export function readPortRange(entry) {
  const [, first, last = first] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(entry) ?? [];
  const [from, to] = [Number(first), Number(last)];
  return from <= to && to <= 65_535 ? { from, to } : undefined;
}

/** @type {Rule} */
export const portRanges = (value, name) => {
  const wrong = listed(value).find((entry) => !readPortRange(entry));
  return wrong === undefined
    ? undefined
    : `${name} must list ports and ranges such as 20000-20999, comma separated; "${wrong}" is neither.`;
};

/** @type {Rule} */
export const yesOrNo = (value, name) =>
  value === 'true' || value === 'false' ? undefined : `${name} must be true or false, not "${value}".`;

/** @type {Rule} */
export const logLevel = (value, name) =>
  LOG_LEVELS.some((level) => level === value)
    ? undefined
    : `${name} must be one of ${LOG_LEVELS.join(', ')}, not "${value}".`;

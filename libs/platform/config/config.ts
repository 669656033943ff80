import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { claimDataDir, readOrCreateSecretFile, recogniseDataDir } from './data-dir.js';

/** A configuration that the server will not start with. The message is one sentence for the operator. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Every variable of the server, in the order of `.env.example`; `fallback` is what an unset variable means. */
export const VARIABLES = {
  PORT: { fallback: '3000', about: 'Port of the API; 0 picks a free one.' },
  HOST: { fallback: '127.0.0.1', about: 'Address to listen on; 0.0.0.0 opens the server to the network.' },
  PUBLIC_URL: {
    fallback: '',
    about:
      'How machines and browsers reach this server, for example https://gatehouse.example.com (default: made of HOST and PORT).',
  },
  TLS_CERT_FILE: {
    fallback: '',
    about: 'PEM certificate chain: serves HTTPS on PORT, read again when the file changes. Goes with TLS_KEY_FILE.',
  },
  TLS_KEY_FILE: { fallback: '', about: 'PEM private key of TLS_CERT_FILE.' },
  METRICS_PORT: { fallback: '', about: 'Port of the Prometheus metrics at /metrics (default: no metrics).' },
  TRUST_PROXY: {
    fallback: '',
    about: 'Addresses or CIDRs of proxies whose X-Forwarded-For is believed, comma separated (default: none).',
  },
  ORG_SUBNET: { fallback: '100.90.128.0/17', about: 'Address pool of a new organization.' },
  BASE_DOMAIN: {
    fallback: 'localhost',
    about:
      'Domain whose names every organization may give to its resources; *.BASE_DOMAIN should point at this server.',
  },
  DNS_NAMESERVERS: {
    fallback: '',
    about:
      'Name servers that a domain of type ns is delegated to, comma separated (default: ns1.BASE_DOMAIN, ns2.BASE_DOMAIN).',
  },
  DNS_CNAME_SUFFIX: {
    fallback: '',
    about: 'Domain below which every domain of type cname gets a name to point at (default: cname.BASE_DOMAIN).',
  },
  DNS_SERVER_IP: {
    fallback: '',
    about:
      'Address that A records of domains of type wildcard should hold (default: the address in PUBLIC_URL, else 127.0.0.1).',
  },
  DNS_RESOLVERS: {
    fallback: '',
    about:
      'Resolvers that verify domains, as addresses with or without a port, comma separated (default: those of the machine).',
  },
  RETENTION_DAYS: { fallback: '90', about: 'Days that claims, audit rows and events are kept.' },
  DATA_DIR: { fallback: './.gatehouse', about: 'Folder of the embedded database, the master key and first-run.txt.' },
  DATABASE_URL: {
    fallback: '',
    about:
      'PostgreSQL 15 or newer, a direct or session-pooled connection (default: an embedded PostgreSQL 18 in DATA_DIR).',
  },
  DATABASE_POOL_SIZE: { fallback: '20', about: 'Database connections of one server process.' },
  START_WAIT_SECONDS: {
    fallback: '120',
    about: 'Seconds that a start waits for the database, or for another server that is starting, before it gives up.',
  },
  MASTER_KEY: {
    fallback: '',
    about:
      '32 bytes in base64 (openssl rand -base64 32); required with DATABASE_URL, else made once in DATA_DIR/master.key.',
  },
  ADMIN_EMAIL: {
    fallback: 'admin@example.com',
    about: 'Login of the first administrator, used on the first start only.',
  },
  ADMIN_PASSWORD: {
    fallback: '',
    about: 'Password of the first administrator, 8 to 72 bytes, used on the first start only (default: generated).',
  },
  ROOT_API_KEY: {
    fallback: '',
    about:
      'A root API key of your own, <id>.<secret of 32 or more characters>; changing it replaces the previous one (default: generated).',
  },
  SMTP_URL: {
    fallback: '',
    about:
      'Mail server that sends invitations and codes, for example smtps://user:password@mail.example.com (default: no mail; the API answers the links). Goes with MAIL_FROM.',
  },
  MAIL_FROM: { fallback: '', about: 'Sender of mails, for example Gatehouse <gatehouse@example.com>.' },
  SESSION_TTL_HOURS: { fallback: '168', about: 'Hours until a browser session ends.' },
  CLAIM_REFUSAL_FLOOR_MS: {
    fallback: '25',
    about: 'Milliseconds before which no claim is refused, so that refusals look alike.',
  },
  UNFINISHED_PER_ADDRESS: {
    fallback: '256',
    about:
      'Connections of one address on which a request has begun 10 s ago and not arrived, before the oldest are closed; proxies of TRUST_PROXY have no share.',
  },
  UNFINISHED_TOTAL: { fallback: '1024', about: 'The same, of all addresses.' },
  REFUSALS_PER_MINUTE: {
    fallback: '600',
    about: 'Refused claims, tokens and logins a minute, per address and per public id, before refusals become 429.',
  },
  LOG_LEVEL: { fallback: 'info', about: 'fatal, error, warn, info, debug, trace or silent.' },
} as const;

export type VariableName = keyof typeof VARIABLES;
export type Env = Record<string, string | undefined>;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The server's whole configuration, validated once at boot; injected as the class itself. */
export class Config {
  readonly port: number;
  readonly host: string;
  /** Origin without a path; with PORT=0 main sets its port once the server listens. */
  readonly publicUrl: URL;
  readonly tls?: { certFile: string; keyFile: string };
  readonly metricsPort?: number;
  /** Addresses, CIDRs or the words loopback, linklocal, uniquelocal; empty: nobody is believed. */
  readonly trustProxy: readonly string[];
  readonly orgSubnet: string;
  /** Lower case, like all names here. */
  readonly baseDomain: string;
  readonly dnsNameservers: readonly string[];
  readonly dnsCnameSuffix: string;
  readonly dnsServerIp: string;
  /** `address` or `address:port`; empty: those of the machine. */
  readonly dnsResolvers: readonly string[];
  readonly retentionDays: number;
  /** Absolute path. */
  readonly dataDir: string;
  readonly databaseUrl?: string;
  readonly databasePoolSize: number;
  readonly startWaitSeconds: number;
  /** 32 bytes; never stored in the database. */
  readonly masterKey: Buffer;
  readonly adminEmail: string;
  readonly adminPassword?: string;
  readonly rootApiKey?: { id: string; secret: string };
  /** Absent: no mail is sent. */
  readonly smtp?: { url: string; from: string };
  readonly sessionTtlHours: number;
  readonly claimRefusalFloorMs: number;
  readonly unfinishedPerAddress: number;
  readonly unfinishedTotal: number;
  readonly refusalsPerMinute: number;
  readonly logLevel: LogLevel;

  constructor(fields: Config) {
    Object.assign(this, fields);
  }
}

/**
 * Reads and checks the configuration, and prepares DATA_DIR and the master key in it.
 * Takes the process environment; a `.env` file in `cwd` fills in what the environment leaves unset.
 * Throws ConfigError naming the variable.
 */
export function loadConfig(env: Env = process.env, cwd: string = process.cwd(), { existing = false } = {}): Config {
  const config = parseConfig({ ...readEnvFile(resolve(cwd, '.env')), ...definedOnly(env) }, cwd);
  if (config.tls) {
    assertReadable('TLS_CERT_FILE', config.tls.certFile);
    assertReadable('TLS_KEY_FILE', config.tls.keyFile);
  }
  if (!existing) claimDataDir(config.dataDir);
  else if (config.databaseUrl === undefined) recogniseDataDir(config.dataDir);
  if (config.masterKey.length > 0) return config;
  const file = resolve(config.dataDir, 'master.key');
  const masterKey = decodeMasterKey(readOrCreateSecretFile(file, () => randomBytes(32).toString('base64')));
  if (!masterKey)
    throw new ConfigError(`${file} does not hold 32 bytes in base64; restore it from a backup, or set MASTER_KEY.`);
  return new Config({ ...config, masterKey });
}

/**
 * The checks alone, without touching the disk. `masterKey` is empty when MASTER_KEY is unset, which
 * only `loadConfig` resolves. Throws ConfigError.
 */
export function parseConfig(env: Env, cwd: string): Config {
  for (const name of Object.keys(env)) {
    if (name.startsWith('GATEHOUSE_') && !AGENT_VARIABLES.has(name)) {
      throw new ConfigError(`${name} is not a variable of Gatehouse; .env.example lists them all.`);
    }
  }
  const given = (name: VariableName): string => env[name]?.trim() ?? '';
  const text = (name: VariableName): string => given(name) || VARIABLES[name].fallback;
  const optional = (name: VariableName): string | undefined => text(name) || undefined;
  const whole = (name: VariableName, min: number, max: number): number => {
    const value = text(name);
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new ConfigError(`${name} must be a whole number from ${min} to ${max}, not "${value}".`);
    }
    return number;
  };
  const path = (name: VariableName): string => resolve(cwd, text(name));

  const port = whole('PORT', 0, 65535);
  const host = text('HOST');
  if (!isIP(host) && !HOST_NAME.test(host))
    throw new ConfigError(`HOST must be an address or a host name, not "${host}".`);

  if (!given('TLS_CERT_FILE') !== !given('TLS_KEY_FILE')) {
    const [set, unset] = given('TLS_CERT_FILE') ? ['TLS_CERT_FILE', 'TLS_KEY_FILE'] : ['TLS_KEY_FILE', 'TLS_CERT_FILE'];
    throw new ConfigError(`${set} is set but ${unset} is not; HTTPS needs both.`);
  }
  const tls = given('TLS_CERT_FILE') ? { certFile: path('TLS_CERT_FILE'), keyFile: path('TLS_KEY_FILE') } : undefined;

  const metricsPort = optional('METRICS_PORT') === undefined ? undefined : whole('METRICS_PORT', 0, 65535);
  if (metricsPort && metricsPort === port)
    throw new ConfigError(`METRICS_PORT must differ from PORT, both are ${port}.`);

  const databaseUrl = optional('DATABASE_URL');
  if (databaseUrl !== undefined) checkDatabaseUrl(databaseUrl);

  const masterKey = given('MASTER_KEY') ? decodeMasterKey(given('MASTER_KEY')) : Buffer.alloc(0);
  if (!masterKey)
    throw new ConfigError('MASTER_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints them.');
  if (databaseUrl !== undefined && masterKey.length === 0) {
    throw new ConfigError(
      'MASTER_KEY is required with DATABASE_URL; make one with `openssl rand -base64 32` and keep it.',
    );
  }

  const adminEmail = text('ADMIN_EMAIL').toLowerCase();
  if (adminEmail.length > 254 || !/^[^\s@]+@[^\s@]+$/.test(adminEmail)) {
    throw new ConfigError(`ADMIN_EMAIL must be an e-mail address, not "${adminEmail}".`);
  }
  const adminPassword = optional('ADMIN_PASSWORD');
  if (adminPassword !== undefined && (Buffer.byteLength(adminPassword) < 8 || Buffer.byteLength(adminPassword) > 72)) {
    throw new ConfigError('ADMIN_PASSWORD must have 8 to 72 bytes.');
  }

  const logLevel = LOG_LEVELS.find((level) => level === text('LOG_LEVEL'));
  if (!logLevel)
    throw new ConfigError(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, not "${text('LOG_LEVEL')}".`);

  const publicUrl = parsePublicUrl(given('PUBLIC_URL') || defaultPublicUrl(host, port, tls !== undefined));
  const list = (name: VariableName): string[] =>
    text(name)
      .split(',')
      .map((entry) => entry.trim())
      .filter(Boolean);
  const domain = (name: VariableName, value: string): string => {
    const lower = value.toLowerCase().replace(/\.$/, '');
    if (!HOST_NAME.test(lower) || lower.length > 253)
      throw new ConfigError(`${name} must be a domain name, not "${value}".`);
    return lower;
  };
  const baseDomain = domain('BASE_DOMAIN', text('BASE_DOMAIN'));
  const nameservers = list('DNS_NAMESERVERS').map((name) => domain('DNS_NAMESERVERS', name));
  const dnsServerIp = optional('DNS_SERVER_IP') ?? (isIP(publicUrl.hostname) ? publicUrl.hostname : '127.0.0.1');
  if (!isIP(dnsServerIp)) throw new ConfigError(`DNS_SERVER_IP must be an address, not "${dnsServerIp}".`);
  const dnsResolvers = list('DNS_RESOLVERS');
  for (const resolver of dnsResolvers) {
    if (!isResolver(resolver))
      throw new ConfigError(
        `DNS_RESOLVERS must list addresses such as 9.9.9.9 or 127.0.0.1:5353, "${resolver}" is none.`,
      );
  }

  return new Config({
    port,
    host,
    publicUrl,
    baseDomain,
    dnsNameservers: nameservers.length > 0 ? nameservers : [`ns1.${baseDomain}`, `ns2.${baseDomain}`],
    dnsCnameSuffix: domain('DNS_CNAME_SUFFIX', optional('DNS_CNAME_SUFFIX') ?? `cname.${baseDomain}`),
    dnsServerIp,
    dnsResolvers,
    tls,
    metricsPort,
    trustProxy: parseTrustProxy(text('TRUST_PROXY')),
    orgSubnet: parseSubnet(text('ORG_SUBNET')),
    retentionDays: whole('RETENTION_DAYS', 1, 36_500),
    dataDir: path('DATA_DIR'),
    databaseUrl,
    startWaitSeconds: whole('START_WAIT_SECONDS', 0, 86_400),
    databasePoolSize: whole('DATABASE_POOL_SIZE', 2, 1_000),
    masterKey,
    adminEmail,
    adminPassword,
    rootApiKey: parseRootApiKey(optional('ROOT_API_KEY')),
    smtp: parseSmtp(optional('SMTP_URL'), optional('MAIL_FROM')),
    sessionTtlHours: whole('SESSION_TTL_HOURS', 1, 8_760),
    claimRefusalFloorMs: whole('CLAIM_REFUSAL_FLOOR_MS', 0, 10_000),
    unfinishedPerAddress: whole('UNFINISHED_PER_ADDRESS', 1, 1_000_000),
    unfinishedTotal: whole('UNFINISHED_TOTAL', 1, 1_000_000),
    refusalsPerMinute: whole('REFUSALS_PER_MINUTE', 1, 1_000_000_000),
    logLevel,
  });
}

/** What `.env.example` must contain; architecture.spec compares. */
export function renderEnvExample(): string {
  const head =
    '# Gatehouse reads this file as `.env` from the folder it is started in; the environment wins over it.\n';
  const parts = Object.entries(VARIABLES).map(([name, { fallback, about }]) => `\n# ${about}\n#${name}=${fallback}\n`);
  return head + parts.join('');
}

/** Variables of the agent program, which may share a machine (and its environment) with the server. */
export const AGENT_VARIABLES: ReadonlySet<string> = new Set([
  'GATEHOUSE_HARDWARE_ID',
  'GATEHOUSE_PROVISIONING_KEY_FILE',
]);

const HOST_NAME = /^(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/;

/** What node:dns takes: an address, or `address:port` with IPv6 in brackets. */
function isResolver(value: string): boolean {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(value) ?? [];
  return (
    isIP(value) !== 0 ||
    (isIP(bracketed ?? '') === 6 && Number(port ?? 53) < 65_536) ||
    (isIP(plain ?? '') === 4 && Number(port ?? 53) < 65_536)
  );
}

function definedOnly(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
}

function readEnvFile(file: string): Env {
  if (!existsSync(file)) return {};
  assertReadable('.env', file);
  return parseEnv(readFileSync(file, 'utf8')) as Env;
}

function assertReadable(name: string, file: string): void {
  try {
    readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`);
  }
}

function decodeMasterKey(value: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(value)) return undefined;
  const key = Buffer.from(value, 'base64');
  return key.length === 32 ? key : undefined;
}

function defaultPublicUrl(host: string, port: number, https: boolean): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : isIP(host) === 6 ? `[${host}]` : host;
  return `${https ? 'https' : 'http'}://${name}:${port}`;
}

function parsePublicUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const origin =
    url &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.pathname === '/' &&
    !url.search &&
    !url.hash &&
    !url.username;
  if (!origin)
    throw new ConfigError(`PUBLIC_URL must look like https://gatehouse.example.com, without a path, not "${value}".`);
  return url;
}

function checkDatabaseUrl(value: string): void {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  // The value may hold a password: never repeat it.
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw new ConfigError('DATABASE_URL must look like postgres://user:password@host:5432/database.');
  }
}

function parseSmtp(value: string | undefined, from: string | undefined): { url: string; from: string } | undefined {
  if ((value === undefined) !== (from === undefined)) {
    throw new ConfigError(
      value
        ? 'SMTP_URL is set but MAIL_FROM is not; mail needs both.'
        : 'MAIL_FROM is set but SMTP_URL is not; mail needs both.',
    );
  }
  if (value === undefined || from === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  // The value may hold a password: never repeat it.
  if (!url || !['smtp:', 'smtps:'].includes(url.protocol) || !url.hostname) {
    throw new ConfigError('SMTP_URL must look like smtps://user:password@mail.example.com:465.');
  }
  if (!/^([^<>@\r\n]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(from)) {
    throw new ConfigError(
      `MAIL_FROM must look like gatehouse@example.com or Gatehouse <gatehouse@example.com>, not "${from}".`,
    );
  }
  return { url: value, from };
}

function parseTrustProxy(value: string): string[] {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = isIP(address);
    const prefixOk = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
    const named = ['loopback', 'linklocal', 'uniquelocal'].includes(entry);
    if (!named && (!family || !prefixOk || rest.length > 0)) {
      throw new ConfigError(
        `TRUST_PROXY must list addresses or CIDRs of proxies, comma separated; "${entry}" is neither.`,
      );
    }
  }
  return entries;
}

function parseSubnet(value: string): string {
  const [address = '', prefix = '', ...rest] = value.split('/');
  const bits = Number(prefix);
  const valid = isIP(address) === 4 && /^\d{1,2}$/.test(prefix) && bits >= 8 && bits <= 30 && rest.length === 0;
  if (!valid)
    throw new ConfigError(`ORG_SUBNET must be an IPv4 network from /8 to /30 such as 100.90.128.0/17, not "${value}".`);
  const number = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  if (number % 2 ** (32 - bits) !== 0)
    throw new ConfigError(`ORG_SUBNET must begin at the first address of its network, "${value}" does not.`);
  return `${address}/${bits}`;
}

function parseRootApiKey(value: string | undefined): { id: string; secret: string } | undefined {
  if (value === undefined) return undefined;
  const match = /^(?!spk[-_]|sk_live_)([A-Za-z0-9_-]{1,64})\.([\x21-\x7e]{32,200})$/.exec(value);
  // The value is a secret: never repeat it.
  if (!match)
    throw new ConfigError(
      'ROOT_API_KEY must look like <id>.<secret>: an id of at most 64 letters and digits, a secret of 32 to 200 characters.',
    );
  return { id: match[1]!, secret: match[2]! };
}

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { isIpv4Range } from '../addresses.js';
import { embeddedDatabaseOf } from '../database/embedded-data-dir.js';
import { type ClusterConfig, readCluster } from './cluster-config.js';
import { claimDataDir, readOrCreateSecretFile, recogniseDataDir } from './data-dir.js';
import { type DatabaseConfig, readDatabase } from './database-config.js';
import { type DomainsConfig, readDomains } from './domains-config.js';
import { ConfigError, type Env, EnvReader } from './env-reader.js';
import { type HttpConfig, readHttp } from './http-config.js';
import { decodeMasterKey, type InstallationConfig, readInstallation } from './installation-config.js';
import { type MailConfig, readMail } from './mail-config.js';
import { AGENT_VARIABLES } from './variables.js';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The server's whole configuration in sections, validated once at boot; injected as the class itself. */
export class Config {
  readonly http: HttpConfig;
  readonly database: DatabaseConfig;
  readonly installation: InstallationConfig;
  readonly domains: DomainsConfig;
  readonly cluster: ClusterConfig;
  readonly orgs: { readonly subnet: string };
  readonly access: { readonly sessionTtlHours: number; readonly refusalsPerMinute: number };
  readonly claims: { readonly refusalFloorMs: number };
  readonly retention: { readonly days: number };
  /** Absent: no mail is sent. */
  readonly mail?: MailConfig;
  readonly log: { readonly level: LogLevel };

  constructor(sections: Omit<Config, 'withDatabase'>) {
    Object.assign(this, sections);
  }

  /** @returns the same configuration on another database. */
  withDatabase(database: Partial<DatabaseConfig>): Config {
    return new Config({ ...this, database: { ...this.database, ...database } });
  }
}

/**
 * Reads and checks the configuration, and prepares DATA_DIR and the master key in it.
 * Takes the process environment; a `.env` file in `cwd` fills in what the environment leaves unset.
 * Throws ConfigError naming the variable, or for an embedded database whose master key is gone.
 */
export function loadConfig(env: Env = process.env, cwd: string = process.cwd(), { existing = false } = {}): Config {
  const config = parseConfig({ ...readEnvFile(resolve(cwd, '.env')), ...definedOnly(env) }, cwd);
  const { http, database, installation } = config;
  if (http.tls) {
    assertReadable('TLS_CERT_FILE', http.tls.certFile);
    assertReadable('TLS_KEY_FILE', http.tls.keyFile);
  }
  if (!existing) claimDataDir(installation.dataDir);
  else if (database.url === undefined) recogniseDataDir(installation.dataDir);
  if (installation.masterKey.length > 0) return config;
  const file = resolve(installation.dataDir, 'master.key');
  // A key made now would be the wrong one, and the next backup would keep it.
  const orphan = existsSync(file) ? undefined : embeddedDatabaseOf(installation.dataDir);
  if (orphan !== undefined) {
    throw new ConfigError(
      `There is a database in ${orphan} and no ${file}, the key that its secrets are encrypted with; put that file back from a backup, or set MASTER_KEY to what it held. For a new installation name another DATA_DIR.`,
    );
  }
  const masterKey = decodeMasterKey(readOrCreateSecretFile(file, () => randomBytes(32).toString('base64')));
  if (!masterKey)
    throw new ConfigError(`${file} does not hold 32 bytes in base64; restore it from a backup, or set MASTER_KEY.`);
  return new Config({ ...config, installation: { ...installation, masterKey } });
}

/**
 * The checks alone, without touching the disk. The master key is empty when MASTER_KEY is unset, which
 * only `loadConfig` resolves. Throws ConfigError.
 */
export function parseConfig(variables: Env, cwd: string): Config {
  for (const name of Object.keys(variables)) {
    if (name.startsWith('GATEHOUSE_') && !AGENT_VARIABLES.has(name)) {
      throw new ConfigError(`${name} is not a variable of Gatehouse; .env.example lists them all.`);
    }
  }
  const env = new EnvReader(variables, cwd);
  const http = readHttp(env);
  const level = LOG_LEVELS.find((known) => known === env.text('LOG_LEVEL'));
  if (!level)
    throw new ConfigError(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, not "${env.text('LOG_LEVEL')}".`);
  return new Config({
    http,
    database: readDatabase(env),
    installation: readInstallation(env),
    domains: readDomains(env, http.publicUrl.hostname),
    cluster: readCluster(env),
    orgs: { subnet: parseSubnet(env.text('ORG_SUBNET')) },
    access: {
      sessionTtlHours: env.whole('SESSION_TTL_HOURS', 1, 8_760),
      refusalsPerMinute: env.whole('REFUSALS_PER_MINUTE', 1, 1_000_000_000),
    },
    claims: { refusalFloorMs: env.whole('CLAIM_REFUSAL_FLOOR_MS', 0, 10_000) },
    retention: { days: env.whole('RETENTION_DAYS', 1, 36_500) },
    mail: readMail(env),
    log: { level },
  });
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

function parseSubnet(value: string): string {
  if (isIpv4Range(value) && Number(value.split('/')[1]) <= 30) return value;
  throw new ConfigError(
    `ORG_SUBNET must be an IPv4 network from /8 to /30 without host bits, such as 100.90.128.0/17, not "${value}".`,
  );
}

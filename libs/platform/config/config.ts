import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { embeddedDatabaseOf } from '../database/embedded-data-dir.js';
import { type ClusterConfig, readCluster } from './cluster-config.js';
import { claimDataDir, readOrCreateSecretFile, recogniseDataDir } from './data-dir.js';
import { type DatabaseConfig, readDatabase } from './database-config.js';
import { type DomainsConfig, readDomains } from './domains-config.js';
import { type EdgeConfig, readEdge } from './edge-config.js';
import { ConfigError, EnvReader } from './env-reader.js';
import { type Env, problemsOf, readEnvironment } from './environment.mjs';
import { type HttpConfig, readHttp } from './http-config.js';
import { type InstallationConfig, readInstallation } from './installation-config.js';
import { type LocalTarget, readLocalTarget } from './local-targets.mjs';
import { type MailConfig, readMail } from './mail-config.js';
import { decodeMasterKey, LOG_LEVELS } from './rules.mjs';
import { readTunnels, type TunnelsConfig } from './tunnels-config.js';

export type LogLevel = (typeof LOG_LEVELS)[number];

/** The server's whole configuration in sections, validated once at boot; injected as the class itself. */
export class Config {
  readonly http: HttpConfig;
  readonly database: DatabaseConfig;
  readonly installation: InstallationConfig;
  readonly domains: DomainsConfig;
  readonly cluster: ClusterConfig;
  readonly edge: EdgeConfig;
  readonly tunnels: TunnelsConfig;
  /** What the server itself may dial for local sites. */
  readonly localTargets: readonly LocalTarget[];
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
 * Throws ConfigError naming every variable that is wrong, or for an embedded database whose master key is gone.
 */
export function loadConfig(env: Env = process.env, cwd: string = process.cwd(), { existing = false } = {}): Config {
  const { variables, problems } = readEnvironment(env, cwd);
  if (problems.length > 0) throw new ConfigError(...problems);
  const config = parseConfig(variables, cwd);
  const { database, installation } = config;
  if (!existing) claimDataDir(installation.dataDir);
  else if (database.url === undefined) recogniseDataDir(installation.dataDir);
  if (installation.masterKeys.length > 0) return config;
  const file = resolve(installation.dataDir, 'master.key');
  // A key made now would be the wrong one, and the next backup would keep it.
  const orphan = existsSync(file) ? undefined : embeddedDatabaseOf(installation.dataDir);
  if (orphan !== undefined) {
    throw new ConfigError(
      `There is a database in ${orphan} and no ${file}, the key that its secrets are encrypted with; put that file back from a backup, or set MASTER_KEY to what it held. For a new installation name another DATA_DIR.`,
    );
  }
  const masterKeys = masterKeysOf(readOrCreateSecretFile(file, () => randomBytes(32).toString('base64')));
  if (!masterKeys) {
    throw new ConfigError(
      `${file} does not hold 32 bytes in base64, or two lines of them while the master key is changed; restore it from a backup, or set MASTER_KEY.`,
    );
  }
  return new Config({ ...config, installation: { ...installation, masterKeys } });
}

/** One key, or the own one and in the next line the previous one. */
function masterKeysOf(text: string): Buffer[] | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.flatMap((line) => decodeMasterKey(line) ?? []);
  const whole = keys.length === lines.length && keys.length <= 2 && !(keys[1] && keys[0]!.equals(keys[1]));
  return whole ? keys : undefined;
}

/**
 * The checks alone, without touching the disk. There is no master key when MASTER_KEY is unset, which
 * only `loadConfig` resolves. Throws ConfigError naming every variable that is wrong.
 */
export function parseConfig(variables: Env, cwd: string): Config {
  const problems = problemsOf(variables);
  if (problems.length > 0) throw new ConfigError(...problems);
  const env = new EnvReader(variables, cwd);
  const http = readHttp(env);
  return new Config({
    http,
    database: readDatabase(env),
    installation: readInstallation(env),
    domains: readDomains(env, http.publicUrl.hostname),
    cluster: readCluster(env),
    edge: readEdge(env),
    tunnels: readTunnels(env),
    localTargets: env.list('LOCAL_TARGETS').map((entry) => readLocalTarget(entry) as LocalTarget),
    orgs: { subnet: env.text('ORG_SUBNET') },
    access: {
      sessionTtlHours: env.whole('SESSION_TTL_HOURS'),
      refusalsPerMinute: env.whole('REFUSALS_PER_MINUTE'),
    },
    claims: { refusalFloorMs: env.whole('CLAIM_REFUSAL_FLOOR_MS') },
    retention: { days: env.whole('RETENTION_DAYS') },
    mail: readMail(env),
    log: { level: env.text('LOG_LEVEL') as LogLevel },
  });
}

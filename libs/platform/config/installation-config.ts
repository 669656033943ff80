import { ConfigError, type EnvReader } from './env-reader.js';

/** What an installation is made of once, beside its database. */
export interface InstallationConfig {
  /** Absolute path. */
  readonly dataDir: string;
  /** 32 bytes; never stored in the database. */
  readonly masterKey: Buffer;
  readonly adminEmail: string;
  readonly adminPassword?: string;
  readonly rootApiKey?: { id: string; secret: string };
}

/** `masterKey` is empty when MASTER_KEY is unset, which an embedded database alone allows. */
export function readInstallation(env: EnvReader): InstallationConfig {
  const masterKey = env.given('MASTER_KEY') ? decodeMasterKey(env.given('MASTER_KEY')) : Buffer.alloc(0);
  if (!masterKey)
    throw new ConfigError('MASTER_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints them.');
  if (env.given('DATABASE_URL') && masterKey.length === 0) {
    throw new ConfigError(
      'MASTER_KEY is required with DATABASE_URL: the one that the database was set up with or, for a new database, one made with `openssl rand -base64 32`; keep it.',
    );
  }

  const adminEmail = env.text('ADMIN_EMAIL').toLowerCase();
  if (adminEmail.length > 254 || !/^[^\s@]+@[^\s@]+$/.test(adminEmail)) {
    throw new ConfigError(`ADMIN_EMAIL must be an e-mail address, not "${adminEmail}".`);
  }
  const adminPassword = env.optional('ADMIN_PASSWORD');
  if (adminPassword !== undefined && (Buffer.byteLength(adminPassword) < 8 || Buffer.byteLength(adminPassword) > 72)) {
    throw new ConfigError('ADMIN_PASSWORD must have 8 to 72 bytes.');
  }
  return {
    dataDir: env.path('DATA_DIR'),
    masterKey,
    adminEmail,
    adminPassword,
    rootApiKey: parseRootApiKey(env.optional('ROOT_API_KEY')),
  };
}

/** @returns undefined for what is not 32 bytes in base64. */
export function decodeMasterKey(value: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(value)) return undefined;
  const key = Buffer.from(value, 'base64');
  return key.length === 32 ? key : undefined;
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

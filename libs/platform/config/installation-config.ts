import type { EnvReader } from './env-reader.js';
import { decodeMasterKey, ROOT_API_KEY } from './rules.mjs';

/** What an installation is made of once, beside its database. */
export interface InstallationConfig {
  /** Absolute path. */
  readonly dataDir: string;
  /** 32 bytes each, never stored in the database: the own one, and during a rotation the previous one (docs/credentials.md §8). */
  readonly masterKeys: readonly Buffer[];
  readonly adminEmail: string;
  readonly adminPassword?: string;
  readonly rootApiKey?: { id: string; secret: string };
}

/** There is none when MASTER_KEY is unset, which an embedded database alone allows. */
export function readInstallation(env: EnvReader): InstallationConfig {
  return {
    dataDir: env.path('DATA_DIR'),
    masterKeys: [env.text('MASTER_KEY'), env.text('MASTER_KEY_PREVIOUS')].flatMap((key) => decodeMasterKey(key) ?? []),
    adminEmail: env.text('ADMIN_EMAIL').toLowerCase(),
    adminPassword: env.optional('ADMIN_PASSWORD'),
    rootApiKey: parseRootApiKey(env.text('ROOT_API_KEY')),
  };
}

function parseRootApiKey(value: string): { id: string; secret: string } | undefined {
  const [, id, secret] = ROOT_API_KEY.exec(value) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

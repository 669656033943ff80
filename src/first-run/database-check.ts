import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  clientOptions,
  DatabaseClient,
  DatabaseUrlError,
  isDatabaseAway,
  migrate,
  proveNotifications,
  StartupRetry,
  type StartupRetryOptions,
  settleTransport,
} from '#platform';
import { checkMasterKeys } from './master-key.js';
import { StartError } from './preflight.js';

const OLDEST_POSTGRES = 15;
const CONNECT_MS = 10_000;
const RETRY_MS = 500;

const FACTS = `
SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('server_version') AS version, current_database()::text AS database,
  current_user::text AS role, pg_encoding_to_char(d.encoding) AS encoding, pg_is_in_recovery() AS standby,
  s.name AS schema, n.oid IS NOT NULL AS schema_exists,
  coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE'), false) AS may_use,
  ARRAY(SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM pg_class c
    WHERE c.oid IN (to_regclass('migrations'), to_regclass('site_credential')) AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1) AS owners
FROM pg_database d
CROSS JOIN (SELECT coalesce(current_schema()::text, trim(BOTH '"' FROM current_setting('search_path'))) AS name) s LEFT JOIN pg_namespace n ON n.nspname = s.name
WHERE d.datname = current_database()`;

/**
 * Waits for the database, checks that the server can live on it and holds its master key, and brings its schema up to date.
 * @returns the URL to connect with, its `sslmode` settled. @throws as `checkDatabase` and `checkMasterKeys`, and StartupTimeoutError when
 * another server did not finish its start.
 */
export async function prepareDatabase(
  url: string,
  masterKeys: readonly Buffer[],
  migrations: Parameters<typeof migrate>[1],
  patience: StartupRetryOptions,
): Promise<string> {
  const settled = await checkDatabase(url, patience);
  await checkMasterKeys(settled, masterKeys);
  await migrate(settled, migrations, patience);
  return settled;
}

/**
 * Waits until the database answers, then checks that it is one that the server can live on: not too old, no standby, UTF-8, its role may use
 * and make what is needed. @returns the URL to connect with, its `sslmode` settled.
 * @throws StartError, DatabaseUrlError; StartupTimeoutError when it did not answer in time. None repeats the URL, which holds a password.
 */
export async function checkDatabase(url: string, patience: StartupRetryOptions): Promise<string> {
  const wait = new StartupRetry(patience);
  for (;;) {
    try {
      const settled = await settleTransport(url);
      await assertUsable(settled);
      return settled;
    } catch (error) {
      if (error instanceof StartError || error instanceof DatabaseUrlError) throw error;
      if (!isDatabaseAway(error)) throw new StartError(`DATABASE_URL leads to no usable database: ${reason(error)}.`);
      wait.goOn(`the database of DATABASE_URL (${reason(error)})`);
      await delay(RETRY_MS);
    }
  }
}

interface Facts {
  major: number;
  version: string;
  database: string;
  role: string;
  encoding: string;
  standby: boolean;
  schema: string;
  schema_exists: boolean;
  may_use: boolean;
  owners: string[];
}

async function assertUsable(url: string): Promise<void> {
  const client = new DatabaseClient({ ...clientOptions(url, 'gatehouse-boot'), connectionTimeoutMillis: CONNECT_MS });
  try {
    await client.connect();
    const { rows } = await client.query<Facts>(FACTS);
    const {
      major,
      version,
      database,
      role,
      encoding,
      standby,
      schema,
      schema_exists: exists,
      may_use: mayUse,
      owners,
    } = rows[0]!;
    const [roleName, schemaName] = [role, schema].map((name) => pg.escapeIdentifier(name));
    if (major < OLDEST_POSTGRES)
      throw new StartError(`DATABASE_URL leads to PostgreSQL ${version}; Gatehouse needs ${OLDEST_POSTGRES} or newer.`);
    if (standby) throw new StartError('DATABASE_URL leads to a standby, which cannot be written; name the primary.');
    if (encoding !== 'UTF8')
      throw new StartError(
        `The database ${database} of DATABASE_URL is encoded in ${encoding}; Gatehouse needs one in UTF8.`,
      );
    if (!exists)
      throw new StartError(
        `The database of DATABASE_URL has no schema ${schema}; make one: CREATE SCHEMA ${schemaName} AUTHORIZATION ${roleName};`,
      );
    if (!mayUse) {
      throw new StartError(
        `The role ${role} of DATABASE_URL may not make tables in the schema ${schema}; as its owner: GRANT USAGE, CREATE ON SCHEMA ${schemaName} TO ${roleName};`,
      );
    }
    if (owners.length > 0) {
      const grants = owners.map((owner) => `GRANT ${pg.escapeIdentifier(owner)} TO ${roleName};`).join(' ');
      throw new StartError(
        `The tables in the schema ${schema} belong to ${owners.join(', ')}, not to the role ${role} of DATABASE_URL; as a superuser: ${grants}`,
      );
    }
    await proveNotifications(client, url);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What the operator can do about it, where the driver's or PostgreSQL's own words do not say. */
const ADVICE: [RegExp, string][] = [
  [/does not support SSL/, 'use sslmode=prefer, or disable'],
  [
    /self.signed certificate|unable to (verify the first|get (local )?issuer) certificate/i,
    'name the authority to trust with sslrootcert, or use sslmode=require, which encrypts without a check',
  ],
  [/permission denied for database/, 'GRANT CONNECT ON DATABASE … TO … gives the right'],
  [/database ".*" does not exist/, 'CREATE DATABASE … OWNER … makes it'],
];

function reason(error: unknown): string {
  const { code, message, errors } = error as { code?: string; message: string; errors?: Error[] };
  const said = message || errors?.[0]?.message || code || 'it does not answer';
  const advice = ADVICE.find(([pattern]) => pattern.test(said))?.[1];
  return advice === undefined ? said : `${said}; ${advice}`;
}

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { expectNoTraceInDatabase } from './secret-values.js';

// Ids fit a number; see database.module.ts.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** One test's own database, a clone of the migrated template. */
export interface TestDatabase {
  url: string;
  /** Throws when the value of a secret stands somewhere in it (secret-values.ts). Once: a second call answers the same. */
  drop(): Promise<void>;
}

/**
 * Clones the template of this run; some 60 ms. Call `drop` in afterAll, connections or not.
 * @param of the one to clone instead, which nobody may be connected to
 */
export async function createTestDatabase(of?: TestDatabase): Promise<TestDatabase> {
  const template = inject('templateUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(
    template,
    `CREATE DATABASE ${name} TEMPLATE ${of ? new URL(of.url).pathname.slice(1) : 'gatehouse'}`,
  );
  return {
    url: databaseUrl(template, name),
    drop: once(() => drop(template, name)),
  };
}

/** An empty database, for tests of the migrations themselves. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const template = inject('templateUrl');
  const name = `empty_${randomBytes(6).toString('hex')}`;
  await administer(template, `CREATE DATABASE ${name}`);
  return {
    url: databaseUrl(template, name),
    drop: once(() => drop(template, name)),
  };
}

/** Suites drop after each test what an earlier one may have dropped. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

/** Runs one statement on a connection of its own. */
export async function queryDatabase<Row extends object>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

async function drop(template: string, name: string): Promise<void> {
  try {
    await expectNoTraceInDatabase(databaseUrl(template, name));
  } finally {
    await administer(template, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

async function administer(template: string, statement: string): Promise<void> {
  await queryDatabase(databaseUrl(template, 'postgres'), statement);
}

function databaseUrl(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

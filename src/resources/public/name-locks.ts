import type { EntityManager } from 'typeorm';
import { prepared } from '#platform';
import { coveringWildcard } from '../domains/domain-names.js';

/** Key of the advisory lock for the full domains below one parent, given as the wildcard that covers them. */
const KEY = (parent: string) => `hashtextextended(${parent}, 7241)`;

/**
 * Waits for whoever is giving away a name below the same parent: names among themselves do not wait, a wildcard waits for all. Until the
 * end of the transaction nobody can make what a look at the names afterwards did not see.
 */
export async function lockName(tx: EntityManager, fullDomain: string, wildcard: boolean): Promise<void> {
  const lock = wildcard ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared';
  await prepared(tx, `resource_guard_${wildcard}`, `SELECT ${lock}(${KEY('$1')})`, [coveringWildcard(fullDomain)]);
}

/** The same for the names of a document, which wait for those of another one: two that make the same names in another order would deadlock. */
export async function lockNames(tx: EntityManager, fullDomains: string[]): Promise<void> {
  await prepared(
    tx,
    'resource_guard_many',
    `SELECT pg_advisory_xact_lock(${KEY('p')}) FROM (SELECT DISTINCT unnest($1::text[]) AS p ORDER BY 1) AS parents`,
    [fullDomains.map(coveringWildcard)],
  );
}

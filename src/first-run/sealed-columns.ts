import type { SealedColumn } from '#platform';
import { SEALED_PSKS } from '../access/index.js';
import { SEALED_SECRETS, SEALED_SIGNING_KEYS } from '../instances/index.js';
import { SEALED_AUTHORITIES } from '../provisioning/index.js';

/** Everything in the database that is sealed under the master key, but answers that are kept for a day (`idempotency_key`). */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  SEALED_PSKS,
  SEALED_AUTHORITIES,
  SEALED_SECRETS,
  SEALED_SIGNING_KEYS,
];

import { FirstSchema1763700000000 } from './migrations/1763700000000-first-schema.js';

/** Migrations in the order in which they run. */
export const MIGRATIONS = [FirstSchema1763700000000];

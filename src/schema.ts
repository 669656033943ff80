import { FirstSchema1763700000000 } from './migrations/1763700000000-first-schema.js';
import { Resources1763800000000 } from './migrations/1763800000000-resources.js';

/** Migrations in the order in which they run. */
export const MIGRATIONS = [FirstSchema1763700000000, Resources1763800000000];

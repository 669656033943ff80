export type MasterKeyState = 'writing' | 'accepted' | 'previous';

/** A master key as the database knows it. */
export interface KnownMasterKey {
  fingerprint: string;
  state: MasterKeyState;
}

export const ANOTHER_MASTER_KEY =
  'The master key is not the one that this database was set up with; start with the right MASTER_KEY (or master.key in DATA_DIR).';
const PREVIOUS_NEEDED =
  'Values of this database are still under the master key before; start with it as MASTER_KEY_PREVIOUS (or the second line of master.key) until `npm run admin -- rotate-master-key` has ended.';
const NEW_NEEDED =
  'The master key of this database has been changed, and this server has the one before alone; start with the new MASTER_KEY, and that one as MASTER_KEY_PREVIOUS.';

/**
 * docs/credentials.md §8: a server starts with every key that values are under.
 * @param held fingerprints, the own one first
 * @returns a sentence about what keeps it from starting, or null
 */
export function refusalOf(known: KnownMasterKey[], held: readonly string[]): string | null {
  if (known.length === 0) return null;
  const isHeld = ({ fingerprint }: KnownMasterKey) => held.includes(fingerprint);
  const needed = known.filter(({ state }) => state !== 'accepted');
  if (!needed.some(isHeld)) return ANOTHER_MASTER_KEY;
  const missing = needed.find((key) => !isHeld(key));
  if (!missing) return null;
  return missing.state === 'previous' ? PREVIOUS_NEEDED : NEW_NEEDED;
}

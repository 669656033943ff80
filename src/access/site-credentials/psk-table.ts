/** A pre-shared key as it is stored: the identity that it goes by, and the encrypted key. */
export interface StoredPsk {
  siteId: number;
  identity: string;
  sealed: Buffer;
  /** Milliseconds until it does nothing more, not even renew; null: it has no end. */
  endsIn: number | null;
}

/**
 * Identities of pre-shared keys with the encrypted keys, in memory: 100,000 in less than 60 MB. The bytes are kept as text of a byte a character, since a
 * Buffer for each would be most of what an entry costs.
 */
export class PskTable {
  private readonly keys = new Map<string, string>();
  /** Of those with an end. */
  private readonly ends = new Map<string, number>();
  /** Most sites have one. */
  private readonly ofSite = new Map<number, string | Set<string>>();

  get size(): number {
    return this.keys.size;
  }

  /** @param now of the clock by which it was added @returns the encrypted key, or undefined, also past its end */
  get(identity: string, now: number): Buffer | undefined {
    const sealed = this.keys.get(identity);
    const end = this.ends.get(identity);
    return sealed === undefined || (end !== undefined && end <= now) ? undefined : Buffer.from(sealed, 'latin1');
  }

  has(siteId: number): boolean {
    return this.ofSite.has(siteId);
  }

  /** @param readAt by a clock that never steps, when the database was asked */
  add({ siteId, identity, sealed, endsIn }: StoredPsk, readAt: number): void {
    const others = this.ofSite.get(siteId);
    if (others instanceof Set) others.add(identity);
    else if (others !== identity)
      this.ofSite.set(siteId, others === undefined ? identity : new Set([others, identity]));
    this.keys.set(identity, sealed.toString('latin1'));
    if (endsIn === null) this.ends.delete(identity);
    else this.ends.set(identity, readAt + endsIn);
  }

  /** Forgets what a site has. */
  drop(siteId: number): void {
    const identities = this.ofSite.get(siteId) ?? [];
    for (const identity of typeof identities === 'string' ? [identities] : identities) {
      this.keys.delete(identity);
      this.ends.delete(identity);
    }
    this.ofSite.delete(siteId);
  }
}

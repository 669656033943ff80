/** A pre-shared key as it is stored: the identity that it goes by, and the encrypted key. */
export interface StoredPsk {
  siteId: number;
  identity: string;
  sealed: Buffer;
}

/**
 * Identities of pre-shared keys with the encrypted keys, in memory: 100,000 in less than 60 MB. The bytes are kept as text of a byte a character, since a
 * Buffer for each would be most of what an entry costs.
 */
export class PskTable {
  private readonly keys = new Map<string, string>();
  /** Most sites have one. */
  private readonly ofSite = new Map<number, string | Set<string>>();

  get size(): number {
    return this.keys.size;
  }

  /** @returns the encrypted key, or undefined. */
  get(identity: string): Buffer | undefined {
    const sealed = this.keys.get(identity);
    return sealed === undefined ? undefined : Buffer.from(sealed, 'latin1');
  }

  has(siteId: number): boolean {
    return this.ofSite.has(siteId);
  }

  add({ siteId, identity, sealed }: StoredPsk): void {
    const others = this.ofSite.get(siteId);
    if (others instanceof Set) others.add(identity);
    else if (others !== identity)
      this.ofSite.set(siteId, others === undefined ? identity : new Set([others, identity]));
    this.keys.set(identity, sealed.toString('latin1'));
  }

  /** Forgets what a site has. */
  drop(siteId: number): void {
    const identities = this.ofSite.get(siteId) ?? [];
    for (const identity of typeof identities === 'string' ? [identities] : identities) this.keys.delete(identity);
    this.ofSite.delete(siteId);
  }
}

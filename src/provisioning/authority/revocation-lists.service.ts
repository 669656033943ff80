import { Injectable, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Db, notFound, Retention } from '#platform';
import { AuthoritiesRepository } from './authorities.repository.js';
import { CertificateAuthority } from './certificate-authority.js';
import { encodeEntries, signList } from './revocation-list.js';
import { RevocationsRepository, type StoredList } from './revocations.repository.js';

/** How often a server looks whether something was revoked, whoever asks how often. */
const LOOK_EVERY_MS = 1_000;
/** A list is made anew at least this often, so that who reads it daily always has one that is good for days. */
const RENEW_EVERY_MS = 86_400_000;
const GOOD_FOR_MS = 7 * 86_400_000;
/** Entries that are read and encoded at a time. */
const PAGE = 5_000;
const MEMORY = 64 * 1024 * 1024;
const ATTEMPTS = 5;

/** The certificate revocation lists of authorities (RFC 5280 §5; docs/credentials.md §6). The last one of each is stored, for all servers. */
@Injectable()
export class RevocationLists implements OnModuleInit {
  private readonly lists = new LRUCache<string, StoredList & { lookedAt: number }>({
    maxSize: MEMORY,
    sizeCalculation: ({ der }) => der.length + 500,
  });
  private readonly loading = new Map<string, Promise<StoredList>>();

  constructor(
    private readonly db: Db,
    private readonly repository: RevocationsRepository,
    private readonly authorities: AuthoritiesRepository,
    private readonly authority: CertificateAuthority,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    this.retention.register({ table: 'revoked_certificate', expired: 'expires_at < now()' });
  }

  /** The list of an authority, a former one's too; no older than a second. Callers at the same time share the work. @throws not_found */
  async of(caId: string): Promise<StoredList> {
    const held = this.lists.get(caId);
    if (held && performance.now() - held.lookedAt < LOOK_EVERY_MS) return held;
    let loading = this.loading.get(caId);
    if (!loading) {
      loading = this.load(caId, held).finally(() => this.loading.delete(caId));
      this.loading.set(caId, loading);
    }
    return loading;
  }

  private async load(caId: string, held: StoredList | undefined): Promise<StoredList> {
    for (let attempt = 1; ; attempt++) {
      const lookedAt = performance.now();
      const standing = await this.repository.standing(this.db.manager, caId);
      if (!standing) throw notFound('Certificate authority');
      const fresh = standing.complete && standing.age! < RENEW_EVERY_MS;
      let list: StoredList | null;
      if (fresh) list = held?.number === standing.number ? held : await this.repository.stored(this.db.manager, caId);
      else {
        const made = await this.make(caId, standing.number + 1, standing.now);
        list = (await this.repository.store(this.db.manager, caId, made, standing)) ? made : null;
        // Other servers make lists as well, and one of them is the last.
        if (!list && attempt === ATTEMPTS) list = await this.repository.stored(this.db.manager, caId);
      }
      if (!list) continue;
      this.lists.set(caId, { ...list, lookedAt });
      return list;
    }
  }

  /** What is revoked while this reads may be in it or not; the next look finds that the list is not complete. */
  private async make(caId: string, number: number, now: Date): Promise<StoredList> {
    const authority = await this.authorities.find(this.db.manager, caId);
    if (!authority) throw notFound('Certificate authority');
    const encoded: Buffer[] = [];
    for (let after = '', more = true; more; ) {
      const page = await this.repository.entries(this.db.manager, caId, after, PAGE);
      if (page.length > 0) encoded.push(encodeEntries(page));
      more = page.length === PAGE;
      after = page.at(-1)?.serial ?? after;
    }
    const madeAt = new Date(Math.floor(now.getTime() / 1000) * 1000);
    const facts = {
      certificate: authority.certificate,
      number,
      madeAt,
      nextUpdate: new Date(madeAt.getTime() + GOOD_FOR_MS),
    };
    return { number, madeAt, der: await signList(facts, encoded, this.authority.unseal(authority)) };
  }
}

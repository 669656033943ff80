import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { EntityManager } from 'typeorm';
import { AppError, Db, FairQueue, notFound, Retention } from '#platform';
import { AuthoritiesRepository } from './authorities.repository.js';
import { CertificateAuthority } from './certificate-authority.js';
import { encodeEntries, signList } from './revocation-list.js';
import { RevocationsRepository, type StoredList } from './revocations.repository.js';

/** How often a server looks whether there is another list, whoever asks how often. */
const LOOK_EVERY_MS = 1_000;
/** How often one server of all looks whether something was revoked, and makes a list: together with the above a minute. */
const MAKE_EVERY_SECONDS = 59;
/** A list is made anew at least this often, so that who reads it daily always has one that is good for days. */
const RENEW_EVERY_MS = 86_400_000;
const GOOD_FOR_MS = 7 * 86_400_000;
/** Entries that are read and encoded at a time. */
const PAGE = 5_000;
/** Of one list, which then has 25 MB. */
const MOST_ENTRIES = 500_000;
const MEMORY = 64 * 1024 * 1024;
/** Each holds a connection, and the entries of a list. */
const MAKING = {
  running: 2,
  waitingPerSource: 1,
  waiting: 1_000,
  refusal: 'Too many revocation lists are being made at the moment',
};

/** The certificate revocation lists of authorities (RFC 5280 §5; docs/credentials.md §6). The last one of each is stored, for all servers. */
@Injectable()
export class RevocationLists implements OnModuleInit {
  private readonly lists = new LRUCache<string, StoredList & { lookedAt: number }>({
    maxSize: MEMORY,
    sizeCalculation: ({ der }) => der.length + 500,
  });
  private readonly loading = new Map<string, Promise<StoredList>>();
  private readonly making = new FairQueue(MAKING);
  private readonly logger = new Logger(RevocationLists.name);

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

  /**
   * The list of an authority, a former one's too: what was revoked a minute ago is in it. Callers at the same time share the work.
   * @throws not_found; capacity when there are too many entries for a list
   */
  async of(caId: string): Promise<StoredList> {
    const list = await this.current(caId);
    if (list.der.length > 0) return list;
    throw new AppError('capacity', 'The revocation list of this authority would be too long', { retryAfter: 3600 });
  }

  private async current(caId: string): Promise<StoredList> {
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
    const lookedAt = performance.now();
    const standing = await this.repository.standing(this.db.manager, caId, MAKE_EVERY_SECONDS);
    if (!standing) throw notFound('Certificate authority');
    const made = standing.isDue
      ? await this.making.run({ source: caId }, () => this.db.tx((tx) => this.renew(tx, caId)))
      : null;
    const list =
      made ?? (held?.number === standing.number ? held : await this.repository.stored(this.db.manager, caId));
    if (!list) throw notFound('Certificate authority');
    this.lists.set(caId, { ...list, lookedAt });
    return list;
  }

  /** Makes the next list where the last one lacks something. @returns null where it does not, or another server sees to it */
  private async renew(tx: EntityManager, caId: string): Promise<StoredList | null> {
    const last = await this.repository.take(tx, caId, MAKE_EVERY_SECONDS);
    if (!last) return null;
    const content = await this.repository.content(tx, caId);
    const isComplete = last.isThere && last.entries === content.entries && last.marks === content.marks;
    if (isComplete && last.age < RENEW_EVERY_MS) {
      await this.repository.keep(tx, caId);
      return null;
    }
    const madeAt = new Date(Math.floor(last.now.getTime() / 1000) * 1000);
    const facts = { number: last.number + 1, madeAt };
    const made = { ...facts, der: await this.make(tx, caId, facts, Number(content.entries)) };
    await this.repository.store(tx, caId, made, content);
    return made;
  }

  /**
   * What is revoked while this reads may be in it or not; the next look finds that the list is not complete.
   * @returns nothing for more entries than a list may have: one that lacks some would pass them off as good
   */
  private async make(
    tx: EntityManager,
    caId: string,
    { number, madeAt }: Omit<StoredList, 'der'>,
    entries: number,
  ): Promise<Buffer> {
    if (entries > MOST_ENTRIES) {
      this.logger.error({ caId, entries }, 'An authority has too many revoked certificates for a list: rotate it');
      return Buffer.alloc(0);
    }
    const authority = await this.authorities.find(tx, caId);
    if (!authority) throw notFound('Certificate authority');
    const encoded: Buffer[] = [];
    for (let after = '', more = true; more; ) {
      const page = await this.repository.entries(tx, caId, after, PAGE);
      if (page.length > 0) encoded.push(encodeEntries(page));
      more = page.length === PAGE;
      after = page.at(-1)?.serial ?? after;
    }
    const facts = {
      certificate: authority.certificate,
      number,
      madeAt,
      nextUpdate: new Date(madeAt.getTime() + GOOD_FOR_MS),
    };
    return signList(facts, encoded, this.authority.unseal(authority));
  }
}

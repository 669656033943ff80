import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigError, Db, KeyRing } from '#platform';
import { refusalOf } from './known-master-keys.js';
import { MasterKeysRepository, type OtherServer } from './master-keys.repository.js';

/**
 * Under which master key values are written, in every process the same (docs/credentials.md §8): the database says so. A new one is written under once
 * every server holds it, so that what one has written is read by all.
 */
@Injectable()
export class MasterKeys implements OnModuleInit {
  private readonly logger = new Logger(MasterKeys.name);

  constructor(
    private readonly db: Db,
    private readonly keys: KeyRing,
    private readonly repository: MasterKeysRepository,
  ) {}

  onModuleInit(): Promise<void> {
    return this.settle();
  }

  /**
   * Compares the keys of this process with what the database needs, tells it of a new one, and takes over which is written under. Once more after the
   * row of the server is there: from then on nobody changes that without this server.
   * @throws ConfigError when one is missing, or the database belongs to another one
   */
  async settle(): Promise<void> {
    const { manager } = this.db;
    const own = this.keys.fingerprints[0]!;
    await this.repository.first(manager, own);
    const known = await this.repository.known(manager);
    const refusal = refusalOf(known, this.keys.fingerprints);
    if (refusal !== null) throw new ConfigError(refusal);
    // The previous one is never news: a server that is still given it after the end must not bring it back.
    if (!known.some(({ fingerprint }) => fingerprint === own))
      await this.db.tx((tx) => this.repository.accept(tx, own));
    await this.follow(manager);
  }

  /**
   * Now and then: begins to write under this process's own key once every server holds it, and follows another server that did.
   * @returns the servers that lack it; none once it is written under
   */
  async look(): Promise<OtherServer[]> {
    const { manager } = this.db;
    const own = this.keys.fingerprints[0]!;
    const known = await this.repository.known(manager);
    const isNext = known.some(({ state, fingerprint }) => state === 'accepted' && fingerprint === own);
    const lacking = isNext ? await this.db.tx((tx) => this.repository.switchTo(tx, own)) : [];
    await this.follow(manager);
    return lacking;
  }

  /** @returns the servers that may still write under another key than this process */
  notFollowing(): Promise<OtherServer[]> {
    return this.repository.notWriting(this.db.manager, this.keys.writesWith);
  }

  /** @returns whether there is a key whose values are to be sealed anew */
  async hasPrevious(): Promise<boolean> {
    return (await this.repository.known(this.db.manager)).some(({ state }) => state === 'previous');
  }

  /** From now on servers start without it. @throws a foreign key violation while a value is under it */
  async removePrevious(tx: EntityManager): Promise<void> {
    await this.repository.removePrevious(tx);
  }

  private async follow(em: EntityManager): Promise<void> {
    const known = await this.repository.known(em);
    const writing = known.find(({ state }) => state === 'writing')?.fingerprint;
    if (writing === undefined || !this.keys.fingerprints.includes(writing)) {
      this.logger.error(
        'Values are written under a master key that this server does not hold: restart it with that key',
      );
      return;
    }
    this.keys.writeWith(writing);
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { countUnderOthers, Db, KeyRing, keyIdOf, query, resealPage, type SealedColumn, sqlState } from '#platform';
import { MasterKeys, type OtherServer } from '../cluster/index.js';
import { StartError } from './preflight.js';
import { SEALED_COLUMNS } from './sealed-columns.js';

/** Servers take over within 5 s which key is written under; one whose lease has run out does not count any more. */
const PATIENCE_MS = 40_000;
const LOOK_EVERY_MS = 500;
/** Values between two lines of progress. */
const TELL_EVERY = 10_000;

/**
 * Seals everything anew under the installation's own master key (docs/credentials.md §8). Each page is a transaction of its own: interrupted, it goes on
 * where it was when it is started again.
 */
@Injectable()
export class MasterKeyRotation {
  constructor(
    private readonly db: Db,
    private readonly keys: KeyRing,
    private readonly masterKeys: MasterKeys,
  ) {}

  /** @returns what to print at the end. @throws StartError where a server lacks the new key, or there is nothing to do */
  async run(print: (text: string) => Promise<void>): Promise<string> {
    const [own, previous] = this.keys.fingerprints;
    if (previous === undefined)
      throw new StartError(
        'There is nothing to change: MASTER_KEY (or the first line of master.key) is to be the new key, and MASTER_KEY_PREVIOUS (or the second line) the one before.',
      );
    const lacking = await this.masterKeys.look();
    if (lacking.length > 0)
      throw new StartError(
        `Restart every server with the new master key and the one before; without it: ${listOf(lacking)}.`,
      );
    if (this.keys.writesWith !== own)
      throw new StartError('Values are written under MASTER_KEY_PREVIOUS: the two keys are to change places.');
    await this.everybodyFollows();
    for (const column of SEALED_COLUMNS) await this.reseal(column, print);
    return this.end(own);
  }

  /** Whoever wrote under the key before would leave a value behind that nobody seals anew. */
  private async everybodyFollows(): Promise<void> {
    for (let waited = 0; ; waited += LOOK_EVERY_MS) {
      const others = await this.masterKeys.notFollowing();
      if (others.length === 0) return;
      if (waited >= PATIENCE_MS)
        throw new StartError(`These servers do not take over which key is written under: ${listOf(others)}.`);
      await delay(LOOK_EVERY_MS);
    }
  }

  private async reseal(column: SealedColumn, print: (text: string) => Promise<void>): Promise<void> {
    const total = await countUnderOthers(this.db.manager, column, this.keys.writesWith);
    let [done, told] = [0, 0];
    for (let after: string | null = column.id.first; after !== null; ) {
      const from: string = after;
      const page = await this.db.tx((tx) => resealPage(tx, this.keys, column, from));
      after = page.after;
      done += page.done;
      if (done - told >= TELL_EVERY && after !== null) {
        told = done;
        await print(`${column.what}: ${done} of ${total}\n`);
      }
    }
    await print(`${column.what}: ${done} sealed anew\n`);
  }

  private async end(own: string | undefined): Promise<string> {
    const answers = await this.answersUnderOthers();
    if (answers !== null)
      return `Answers that are kept for repeated requests are under the key before until ${answers.toISOString()}. Keep it until then, and run this once more.\n`;
    if (await this.masterKeys.hasPrevious()) {
      try {
        await this.db.tx((tx) => this.masterKeys.removePrevious(tx));
      } catch (error) {
        if (sqlState(error) !== '23503') throw error;
        throw new StartError('A value was written under the key before meanwhile; run this once more.');
      }
    }
    return `Nothing is under the key before any more (the key of now has the fingerprint ${own!.slice(0, 8)}…): restart the servers without MASTER_KEY_PREVIOUS (or the second line of master.key).\n${AFTER_A_LEAK}`;
  }

  /** @returns when the last one ends; null where there is none */
  private async answersUnderOthers(): Promise<Date | null> {
    const [row] = await query<{ until: Date | null }>(
      this.db.manager,
      `SELECT max(created_at) + interval '24 hours' AS until FROM idempotency_key
       WHERE answer IS NOT NULL AND created_at >= now() - interval '24 hours' AND substring(answer from 1 for 4) <> $1`,
      [keyIdOf(this.keys.writesWith)],
    );
    return row!.until;
  }
}

/** What is to be replaced where somebody else may have the key before, and how: all that was sealed under it, and hashes that it keyed. */
export const AFTER_A_LEAK = `If the key before has become known to others, so has what was under it, in this database and in every backup: replace
  PSKs                              POST /api/v1/org/{orgId}/credential-rotations, or POST /api/v1/site/{siteId}/rotate-credential
  keys of certificate authorities   POST /api/v1/org/{orgId}/certificate-authority/rotate
  versions of secrets               POST /api/v1/org/{orgId}/secret/{name}/version, then DELETE the versions before
  signing keys                      npm run admin -- rotate-signing-key ORG, twice: the next one was under it as well
  passwords and PINs of resources   POST /api/v1/resource/{resourceId}/password, /pincode and /header-auth: with it their hashes are quickly tried
  answers to Idempotency-Key        what they showed in the day before, and in that before each backup: secrets of API keys, provisioning keys, sites
`;

const listOf = (servers: OtherServer[]): string =>
  servers
    .map(({ address, version }) => `${address ?? 'a server that is starting'} (${version ?? 'unknown version'})`)
    .join(', ');

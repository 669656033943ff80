import { Injectable } from '@nestjs/common';
import type { Blueprint } from '#blueprint';
import { Db, type Turn } from '#platform';
import { headerAuthSecret, SharedSecrets } from '../resources/index.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import type { Hashes } from './current-state.js';

/** Resources of one document whose secrets are hashed at once, however long the document is. */
const AT_ONCE = 4;

/** Hashes of a document's passwords and PINs. Always before the transaction. */
@Injectable()
export class Secrets {
  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
    private readonly secrets: SharedSecrets,
  ) {}

  /**
   * A secret that is stored already keeps its hash, so that an unchanged document changes nothing. A site's document waits for its turn as
   * long as it takes, since nobody would send it again; what sites may send at once is bounded by their sessions.
   * @throws capacity to an operator, when too much is being hashed
   */
  async hash(orgId: string, model: Blueprint, siteId?: number): Promise<Hashes> {
    const wanted = model.publicResources.flatMap((entry) =>
      !entry.targetsOnly && entry.auth && (entry.auth.password ?? entry.auth.pincode ?? entry.auth.basicAuth) !== null
        ? [{ key: entry.key, auth: entry.auth }]
        : [],
    );
    if (wanted.length === 0) return new Map();
    const turn: Turn =
      siteId === undefined
        ? { source: `org:${orgId}` }
        : { source: `sites:${orgId}`, name: String(siteId), patient: true };
    const stored = new Map(
      (
        await this.repository.secretsOf(
          this.db.manager,
          orgId,
          wanted.map((w) => w.key),
        )
      ).map((row) => [row.key, row]),
    );
    const keep = (secret: string | null, current: string | null | undefined) =>
      secret === null ? null : this.secrets.keep(secret, current, turn);
    const hashes: Hashes = new Map();
    const rest = wanted.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const { key, auth } of rest) {
          const current = stored.get(key);
          hashes.set(key, {
            passwordHash: await keep(auth.password, current?.passwordHash),
            pincodeHash: await keep(auth.pincode, current?.pincodeHash),
            headerAuthHash: await keep(
              auth.basicAuth && headerAuthSecret(auth.basicAuth.user, auth.basicAuth.password),
              current?.headerAuthHash,
            ),
          });
        }
      }),
    );
    return hashes;
  }
}

import { Injectable } from '@nestjs/common';
import type { Blueprint } from '../../libs/blueprint/index.js';
import { Db } from '../../libs/platform/index.js';
import { hashShared, headerAuthSecret, matchesShared } from '../resources/index.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import type { Hashes } from './state.js';

/** Hashes of a document's passwords and PINs. Always before the transaction. */
@Injectable()
export class Secrets {
  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
  ) {}

  /** A secret that is stored already keeps its hash, so that an unchanged document changes nothing. */
  async hash(orgId: string, model: Blueprint): Promise<Hashes> {
    const wanted = model.publicResources.flatMap((entry) => (!entry.targetsOnly && entry.auth && (entry.auth.password ?? entry.auth.pincode ?? entry.auth.basicAuth) !== null ? [{ key: entry.key, auth: entry.auth }] : []));
    if (wanted.length === 0) return new Map();
    const stored = new Map((await this.repository.secretsOf(this.db.manager, orgId, wanted.map((w) => w.key))).map((row) => [row.key, row]));
    const hashes: Hashes = new Map();
    for (const { key, auth } of wanted) {
      const current = stored.get(key);
      hashes.set(key, {
        passwordHash: await keep(auth.password, current?.passwordHash),
        pincodeHash: await keep(auth.pincode, current?.pincodeHash),
        headerAuthHash: await keep(auth.basicAuth && headerAuthSecret(auth.basicAuth.user, auth.basicAuth.password), current?.headerAuthHash),
      });
    }
    return hashes;
  }
}

async function keep(secret: string | null, stored: string | null | undefined): Promise<string | null> {
  if (secret === null) return null;
  return stored && (await matchesShared(secret, stored)) ? stored : hashShared(secret);
}

import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CredentialKind } from '#contracts';
import { Db, InvalidatedCache, notify, PgNotifications, sameBytes, sha256 } from '#platform';
import type { TokenBearer } from './session-tokens.js';
import {
  type CredentialRow,
  type NewSiteCredential,
  SiteCredentialsRepository,
} from './site-credentials.repository.js';

/** Which site a credential belongs to. */
export interface SiteIdentity {
  siteId: number;
  orgId: string;
  credentialId: number;
  deviceId: string;
  niceId: string;
  kind: CredentialKind;
}

/** The unique index of nonces by which devices without a hardware id are known. */
export const NONCE_TAKEN = 'claim_window_nonce';

/** What sites authenticate with from their claim on. */
@Injectable()
export class SiteCredentialsService {
  private readonly known: InvalidatedCache<CredentialRow>;

  constructor(
    private readonly db: Db,
    private readonly repository: SiteCredentialsRepository,
    notifications: PgNotifications,
  ) {
    this.known = new InvalidatedCache(notifications, {
      max: 20_000,
      channels: { access_changed: (name) => [name], site_changed: (siteId) => [`site:${siteId}`] },
      tags: (key, row) => (row ? [`site:${row.siteId}`, `org:${row.orgId}`] : [key]),
    });
  }

  /**
   * @returns the site, or null for an unknown id, a wrong secret, a revoked credential or site. The first authenticated use closes the
   * nonce window (docs/claims.md rule 5); who loses that race finds the credential revoked and gets null.
   */
  async authenticateNewt(newtId: string, secret: string): Promise<SiteIdentity | null> {
    if (newtId.includes('\0')) return null;
    return this.authenticate(`newt:${newtId}`, () => this.repository.findNewt(this.db.manager, newtId), sha256(secret));
  }

  /** As `authenticateNewt`, for a device API key `sk_live_…`. */
  async authenticateDeviceKey(key: string): Promise<SiteIdentity | null> {
    const hash = sha256(key);
    return this.authenticate(
      `device:${hash.toString('base64')}`,
      () => this.repository.findDeviceKey(this.db.manager, hash),
      hash,
    );
  }

  /** @returns the site of a session token that is good, or null when its credential, or its site, was revoked since. */
  async authenticateBearer({ siteId, credentialId }: TokenBearer): Promise<SiteIdentity | null> {
    const row = await this.known.get(`credential:${credentialId}`, () =>
      this.repository.find(this.db.manager, siteId, credentialId),
    );
    return row && identityOf(row);
  }

  /**
   * One statement. @returns the credential ids in the order of the rows.
   * @throws unique violation for a newt id that exists, and for a nonce (`NONCE_TAKEN`) by which the organization knows another device.
   */
  async insertMany(tx: EntityManager, rows: NewSiteCredential[]): Promise<number[]> {
    return rows.length === 0 ? [] : this.repository.insertMany(tx, rows);
  }

  /** After `insertMany` with a newt id that somebody chose: it may have been tried, and remembered as absent, moments ago. */
  async announce(tx: EntityManager, newtId: string): Promise<void> {
    await notify(tx, 'access_changed', `newt:${newtId}`);
  }

  /** Revokes the site's credentials and closes its window; caches and sessions hear of it on every server process. */
  async revokeOfSite(tx: EntityManager, orgId: string, siteId: number): Promise<void> {
    await this.repository.revokeOfSite(tx, orgId, siteId);
    await notify(tx, 'site_changed', String(siteId));
  }

  /** Nobody's first use is decided on before the transaction ends. The site is locked before. */
  lockWindow(tx: EntityManager, siteId: number): Promise<void> {
    return this.repository.lockWindow(tx, siteId);
  }

  /** docs/claims.md rule 5: one more credential under the same nonce; the window stays as it is. */
  countReissue(tx: EntityManager, siteId: number): Promise<void> {
    return this.repository.countReissue(tx, siteId);
  }

  /** docs/claims.md rule 13: a new owner of the identity, with a nonce or none. The former one's credentials are revoked. */
  reopenWindow(tx: EntityManager, siteId: number, nonceHash: Buffer | null): Promise<void> {
    return this.repository.reopenWindow(tx, siteId, nonceHash);
  }

  /** The machines have spoken over a session since their claim: every later session is not the claim's (docs/newt.md §2.8). */
  connected(tx: EntityManager, siteIds: number[]): Promise<void> {
    return this.repository.connected(tx, siteIds);
  }

  private async authenticate(
    cacheKey: string,
    load: () => Promise<CredentialRow | null>,
    presented: Buffer,
  ): Promise<SiteIdentity | null> {
    const row = await this.known.get(cacheKey, load);
    if (!row || !sameBytes(presented, Buffer.from(row.secretHash, 'base64'))) return null;
    if (row.unsettled && !(await this.settle(cacheKey, row))) return null;
    return identityOf(row);
  }

  /**
   * The first authenticated use. A re-issue locks the window before it inserts a credential; the revocation is a statement of its own
   * after the lock, so that it sees a credential which such a re-issue committed while this waited.
   * @returns whether this credential is still good.
   */
  private async settle(cacheKey: string, row: CredentialRow): Promise<boolean> {
    const settled = await this.db.tx(async (tx) => {
      const won = await this.repository.settle(tx, row.siteId, row.credentialId);
      if (won?.closedWindow && (await this.repository.revokeOthers(tx, row.siteId, row.credentialId)) > 0) {
        await notify(tx, 'site_changed', String(row.siteId));
      }
      return won !== null;
    });
    this.known.forget(cacheKey);
    // Nothing was left to settle: somebody was first, with this credential or with another one.
    return settled || this.repository.isUsable(this.db.manager, row.credentialId);
  }
}

const identityOf = ({ siteId, orgId, credentialId, deviceId, niceId, kind }: CredentialRow): SiteIdentity => ({
  siteId,
  orgId,
  credentialId,
  deviceId,
  niceId,
  kind,
});

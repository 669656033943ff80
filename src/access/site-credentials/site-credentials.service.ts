import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Db, InvalidatedCache, notify, PgNotifications, sameBytes, sha256 } from '#platform';
import { type Authenticated, type SiteIdentity, standingOf } from './credential-standing.js';
import { CredentialSuccession } from './credential-succession.service.js';
import type { TokenBearer } from './session-tokens.js';
import {
  type CredentialRow,
  type NewSiteCredential,
  SiteCredentialsRepository,
} from './site-credentials.repository.js';

/** The unique index of nonces by which devices without a hardware id are known. */
export const NONCE_TAKEN = 'claim_window_nonce';

/** Whether a credential that was found is the one that was presented. `isUsable`: it has not expired, and was not superseded. */
type Proof = (row: CredentialRow, isUsable: boolean) => boolean | Promise<boolean>;

/** What sites authenticate with from their claim on. */
@Injectable()
export class SiteCredentialsService {
  private readonly known: InvalidatedCache<CredentialRow>;

  constructor(
    private readonly db: Db,
    private readonly repository: SiteCredentialsRepository,
    private readonly succession: CredentialSuccession,
    notifications: PgNotifications,
  ) {
    this.known = new InvalidatedCache(notifications, {
      max: 20_000,
      channels: { access_changed: (name) => [name], site_changed: (siteId) => [`site:${siteId}`] },
      tags: (key, row) => (row ? [`site:${row.siteId}`, `org:${row.orgId}`] : [key]),
    });
  }

  /**
   * @returns the site; what stands against a credential that has expired or was superseded; null for an unknown id, a wrong secret, a revoked
   * credential or site, and one that may not even renew any more. The first authenticated use closes the nonce window (docs/claims.md rule 5), and
   * makes a next credential the current one (docs/credentials.md §3); who loses that race finds the credential revoked and gets null.
   */
  async authenticateNewt(newtId: string, secret: string): Promise<Authenticated> {
    if (newtId.includes('\0')) return null;
    return this.authenticate(
      `newt:${newtId}`,
      () => this.repository.findNewt(this.db.manager, newtId),
      isSecret(sha256(secret)),
    );
  }

  /** As `authenticateNewt`, for a device API key `sk_live_…`. */
  async authenticateDeviceKey(key: string): Promise<Authenticated> {
    const hash = sha256(key);
    return this.authenticate(
      `device:${hash.toString('base64')}`,
      () => this.repository.findDeviceKey(this.db.manager, hash),
      isSecret(hash),
    );
  }

  /** As `authenticateNewt`, for a PSK identity of which a handshake has proved the key. */
  async authenticatePsk(identity: string): Promise<Authenticated> {
    if (identity.includes('\0')) return null;
    return this.authenticate(`psk:${identity}`, () => this.repository.findPsk(this.db.manager, identity));
  }

  /**
   * As `authenticateNewt`, for a certificate by SHA-256 of its DER, of which a handshake has proved the key.
   * @param isValid whether signature and times are as they should be, of the site that was found; nothing is written before it has said so
   */
  async authenticateCertificate(hash: Buffer, isValid: Proof): Promise<Authenticated> {
    return this.authenticate(
      `certificate:${hash.toString('base64')}`,
      () => this.repository.findCertificate(this.db.manager, hash),
      isValid,
    );
  }

  /** As `authenticateNewt`, for a session token that is good: its credential, or its site, may have ended since. */
  async authenticateBearer({ siteId, credentialId }: TokenBearer): Promise<Authenticated> {
    return this.authenticate(`credential:${credentialId}`, () =>
      this.repository.findById(this.db.manager, siteId, credentialId),
    );
  }

  /**
   * One statement, and a notice for pre-shared keys, which handshakes ask for on every server. @returns the credential ids in the order of the rows.
   * @throws unique violation for a newt id that exists, and for a nonce (`NONCE_TAKEN`) by which the organization knows another device.
   */
  async insertMany(tx: EntityManager, rows: NewSiteCredential[]): Promise<number[]> {
    if (rows.length === 0) return [];
    const identities = rows.flatMap(({ pskIdentity }) => pskIdentity ?? []);
    // In one turn: claims send the statements of their transaction together.
    const [ids] = await Promise.all([
      this.repository.insertMany(tx, rows),
      identities.length > 0 && this.repository.announcePsks(tx, identities),
    ]);
    return ids;
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

  /**
   * What one site authenticates with becomes another's, whose own was revoked: credentials in every stage, the window of its claim, what was asked for.
   * Both sites are locked; the caller tells that they have changed.
   */
  move(tx: EntityManager, from: number, to: number): Promise<void> {
    return this.repository.move(tx, from, to);
  }

  /** Its next credential opens a window anew. The site is locked, and its credentials are revoked. */
  forgetWindow(tx: EntityManager, siteId: number): Promise<void> {
    return this.repository.forgetWindow(tx, siteId);
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

  /** @param isProved asked of what was found, where finding it does not prove it */
  private async authenticate(
    cacheKey: string,
    load: () => Promise<CredentialRow | null>,
    isProved: Proof = () => true,
  ): Promise<Authenticated> {
    const row = await this.known.get(cacheKey, load);
    const standing = row ? standingOf(row, performance.now()) : 'over';
    if (!row || standing === 'over' || !(await isProved(row, standing === 'usable'))) return null;
    if (standing !== 'usable') return { unusable: standing, site: identityOf(row) };
    if ((row.unsettled || row.stage === 'next') && !(await this.firstUse(cacheKey, row))) return null;
    return identityOf(row);
  }

  /** @returns whether this credential is still good. */
  private async firstUse(cacheKey: string, row: CredentialRow): Promise<boolean> {
    const first = await this.db.tx((tx) =>
      row.stage === 'next' ? this.succession.promote(tx, row) : this.settle(tx, row),
    );
    this.known.forget(cacheKey);
    // Nothing was left to do: somebody was first, with this credential or with another one.
    return first || this.repository.isUsable(this.db.manager, row.credentialId);
  }

  /**
   * A re-issue locks the window before it inserts a credential; the revocation is a statement of its own after the lock, so that it sees a
   * credential which such a re-issue committed while this waited.
   */
  private async settle(tx: EntityManager, { siteId, credentialId }: CredentialRow): Promise<boolean> {
    const won = await this.repository.settle(tx, siteId, credentialId);
    if (won?.closedWindow && (await this.repository.revokeOthers(tx, siteId, credentialId)) > 0)
      await notify(tx, 'site_changed', String(siteId));
    return won !== null;
  }
}

const isSecret =
  (presented: Buffer): Proof =>
  ({ secretHash }) =>
    sameBytes(presented, Buffer.from(secretHash, 'base64'));

const identityOf = ({ siteId, orgId, credentialId, deviceId, niceId, kind, caId }: CredentialRow): SiteIdentity => ({
  siteId,
  orgId,
  credentialId,
  deviceId,
  niceId,
  kind,
  caId,
});

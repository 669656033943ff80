import { Injectable, type OnModuleInit } from '@nestjs/common';
import { JOSE_TYPE, type RevocationNotice, type RevocationPayload } from '#contracts';
import { Db, Hooks, InvalidatedCache, PgNotifications, type ProvenCredential, Retention, SiteTrust } from '#platform';
import { SigningKeys } from '../trust/signing-keys.service.js';
import { type RevocationRow, RevocationsRepository } from './revocations.repository.js';

/**
 * That a site is over, said so that its machine can believe it (docs/instances.md §3): written with the act that ends it, kept when site and organization
 * are gone, and signed when it is told to who proves a credential of it.
 */
@Injectable()
export class RevocationsService implements OnModuleInit {
  /** By what was proved. Most who ask guess: that there is nothing is remembered apart, and for moments. */
  private readonly known: InvalidatedCache<RevocationRow>;

  constructor(
    private readonly db: Db,
    private readonly repository: RevocationsRepository,
    private readonly signingKeys: SigningKeys,
    private readonly siteTrust: SiteTrust,
    private readonly hooks: Hooks,
    private readonly retention: Retention,
    notifications: PgNotifications,
  ) {
    this.known = new InvalidatedCache(notifications, { max: 5_000, channels: {}, tags: (key) => [key] });
  }

  onModuleInit(): void {
    this.hooks.siteRevoking.register((tx, orgId, siteId) => this.repository.ofSite(tx, orgId, siteId, 'revoked'));
    this.hooks.siteDeleting.register((tx, orgId, siteId, reason) => this.repository.ofSite(tx, orgId, siteId, reason));
    this.hooks.orgEnding.register((tx, orgId) => this.repository.ofOrg(tx, orgId));
    this.siteTrust.provideNotices((proven) => this.noticeFor(proven));
    this.retention.register({ table: 'site_revocation', expired: 'keep_until < now()' });
    this.retention.register({
      table: 'signing_key',
      // The first ones of an organization may be older than its commit.
      expired: `created_at < now() - interval '1 day' AND NOT EXISTS (SELECT FROM org o WHERE o.org_uid = signing_key.org_uid)
        AND NOT EXISTS (SELECT FROM site_revocation r WHERE r.org_uid = signing_key.org_uid)`,
    });
  }

  /** @returns the statement for who proved this, or null when no site ended with it. */
  async noticeFor(proven: ProvenCredential): Promise<RevocationNotice | null> {
    const key = 'hash' in proven ? `h:${proven.hash.toString('base64')}` : `c:${proven.credentialId}`;
    const row = await this.known.get(key, async () => {
      if ('hash' in proven) return this.repository.byHash(this.db.manager, proven.hash);
      return (await this.repository.byCredentials(this.db.manager, [proven.credentialId]))[0] ?? null;
    });
    return row && this.sign(row);
  }

  /** @returns the statements for sessions, by the number of their credential. */
  async noticesFor(credentialIds: number[]): Promise<Map<number, RevocationNotice>> {
    const notices = new Map<number, RevocationNotice>();
    if (credentialIds.length === 0) return notices;
    for (const row of await this.repository.byCredentials(this.db.manager, credentialIds))
      notices.set(row.credentialId, await this.sign(row));
    return notices;
  }

  /** With the key of now. It says when the site ended, and so the same whenever it is told: a machine can tell it from one about an earlier life. */
  private async sign({ orgUid, deviceId, reason, revokedAt }: RevocationRow): Promise<RevocationNotice> {
    const statement: RevocationPayload = { iss: orgUid, sub: deviceId, iat: revokedAt, reason };
    const revocation = await this.signingKeys.sign(orgUid, JOSE_TYPE.revocation, statement);
    const { successions } = await this.signingKeys.trust(orgUid);
    return { revocation, successions };
  }
}

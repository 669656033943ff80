import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { atMost, Db, PgNotifications, sameBytes } from '#platform';
import { inForm } from '../hardware-id-form.js';
import { HardwareIdPatterns } from '../hardware-id-patterns.js';
import { anchor, type ClaimRequest, type RefusalReason } from './claim.js';
import { ClaimsRepository, type KeyPolicy } from './claims.repository.js';
import type { CredentialPolicy } from './credential-issuer.js';
import { isUsedUp } from './reclaim-policy.js';

/**
 * Policies of keys that claim now. A cached one only ever lets a claim through to its batch, which decides again under the key's lock;
 * a refusal always comes from a fresh look.
 */
@Injectable()
export class KeyPolicies {
  private readonly cache = new LRUCache<string, KeyPolicy>({ ...atMost(2000), ttl: 60_000 });

  constructor(
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly notifications: PgNotifications,
    private readonly patterns: HardwareIdPatterns,
  ) {
    notifications.onReconnected(() => this.cache.clear());
    notifications.onEarly('access_changed', (payload) => this.forget(payload));
  }

  cached(keyId: string): KeyPolicy | undefined {
    return this.notifications.isDown ? undefined : this.cache.get(keyId);
  }

  async load(keyId: string): Promise<KeyPolicy | undefined> {
    const policy = await this.repository.policy(this.db.manager, keyId);
    if (policy?.pattern) await this.patterns.learn(policy.orgId, policy.pattern);
    if (policy) this.cache.set(keyId, policy);
    else this.cache.delete(keyId);
    return policy;
  }

  /**
   * The checks on key, generation, door, pattern and CSR, in this order, once the hardware id has the form of the template; expiry and uses depend on whether the site is known.
   */
  inspect(
    policy: KeyPolicy,
    secretHash: Buffer,
    request: ClaimRequest,
  ): { reason?: RefusalReason; generation?: number } {
    const match = policy.generations.find((g) => sameBytes(g.secretHash, secretHash));
    if (!match) return { reason: 'wrong_secret' };
    const { generation } = match;
    takeForm(request, policy);
    if (match.retired) return { reason: 'retired_generation', generation };
    if (policy.revoked) return { reason: 'revoked', generation };
    if (policy.disabled) return { reason: 'disabled', generation };
    if (request.door === 'newt' && !policy.newtDoor) return { reason: 'door_closed', generation };
    if (request.atOrg !== undefined && request.atOrg !== policy.orgUid)
      return { reason: 'other_organization', generation };
    if (request.door === 'est' && policy.credentialType !== 'certificate') return { reason: 'other_kind', generation };
    if (
      policy.pattern !== null &&
      (request.hardwareId === null || !this.patterns.matches(policy.pattern, request.hardwareId))
    )
      return { reason: 'pattern', generation };
    if (request.door === 'device' && policy.credentialType === 'certificate' && !request.csr)
      return { reason: 'csr_missing', generation };
    // Without an anchor there is nothing to recognise: a spent key has no other answer.
    if (anchor(request.hardwareId, request.nonceHash) === null) {
      if (policy.expired) return { reason: 'expired', generation };
      if (isUsedUp(policy)) return { reason: 'used_up', generation };
    }
    return { generation };
  }

  private forget(payload: string): void {
    if (payload.startsWith('provisioning:')) this.cache.delete(payload.slice('provisioning:'.length));
    if (!payload.startsWith('org:')) return;
    const orgId = payload.slice('org:'.length);
    for (const [keyId, policy] of this.cache.entries()) if (policy.orgId === orgId) this.cache.delete(keyId);
  }
}

/** Which key it was, for the private record of a refusal. */
export const idsOf = (p: KeyPolicy) => ({ orgId: p.orgId, orgUid: p.orgUid, keyId: p.keyId, templateId: p.templateId });

/** What its template says of the credentials that a key gives out. */
export const credentialPolicy = (p: KeyPolicy): CredentialPolicy => ({
  ttlSeconds: p.credentialTtlSeconds,
  graceSeconds: p.renewGraceSeconds,
});

/** Again when the policy was read anew: from what was sent. */
function takeForm(request: ClaimRequest, { hardwareIdForm }: KeyPolicy): void {
  const sent = request.sentHardwareId ?? request.hardwareId;
  if (sent === null) return;
  request.hardwareId = inForm(hardwareIdForm, sent);
  request.sentHardwareId = request.hardwareId === sent ? null : sent;
}

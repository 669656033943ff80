import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Db, PgNotifications } from '#platform';
import { HardwareIdPatterns } from '../hardware-id-patterns.js';
import { ClaimsRepository, type KeyPolicy } from './claims.repository.js';

/**
 * Policies of keys that claim now. A cached one only ever lets a claim through to its batch, which decides again under the key's lock;
 * a refusal always comes from a fresh look.
 */
@Injectable()
export class KeyPolicies {
  private readonly cache = new LRUCache<string, KeyPolicy>({ max: 2000, ttl: 60_000 });

  constructor(
    private readonly db: Db,
    private readonly repository: ClaimsRepository,
    private readonly notifications: PgNotifications,
    private readonly patterns: HardwareIdPatterns,
  ) {
    notifications.onReconnected(() => this.cache.clear());
    notifications.on('access_changed', (payload) => this.forget(payload));
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

  private forget(payload: string): void {
    if (payload.startsWith('provisioning:')) this.cache.delete(payload.slice('provisioning:'.length));
    if (!payload.startsWith('org:')) return;
    const orgId = payload.slice('org:'.length);
    for (const [keyId, policy] of this.cache.entries()) if (policy.orgId === orgId) this.cache.delete(keyId);
  }
}

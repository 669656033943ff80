import { Injectable, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { addressBucket, atMost, BatchWriter, Db, Drain, Hooks } from '#platform';
import { EventsService } from '../../audit/index.js';
import type { SiteIdentity } from './credential-standing.js';
import { CredentialSuccessionRepository } from './credential-succession.repository.js';

const HOUR_MS = 3_600_000;
/**
 * How long a use from the same address is not looked at again. No longer than a superseded credential may be the device's own: an address that other
 * servers wrote meanwhile would stand for the device's.
 */
const NOTED_MS = 300_000;
/** Of one site within an hour: who has a superseded credential could come from any number. */
const MAX_ADDRESSES = 20;
const FLUSH_MS = 1_000;
/** When the server stops. */
const CLOSE_MS = 2_000;

/** When and whence credentials are used: for operators, who want to know which are still in use, and that a superseded one is (docs/credentials.md §3). */
@Injectable()
export class CredentialUses implements OnModuleInit {
  /** By credential, the address that was noted a moment ago; by site and address, superseded ones that were told of. */
  private readonly noted = new LRUCache<number, string>({ ...atMost(50_000), ttl: NOTED_MS });
  private readonly told = new LRUCache<string, true>({ ...atMost(5_000), ttl: HOUR_MS });
  private readonly writer: BatchWriter<{ credentialId: number; address: string | null }>;

  constructor(
    private readonly db: Db,
    private readonly repository: CredentialSuccessionRepository,
    private readonly events: EventsService,
    private readonly hooks: Hooks,
    private readonly drain: Drain,
  ) {
    this.writer = new BatchWriter(CredentialUses.name, {
      capacity: 50_000,
      batch: 500,
      everyMs: FLUSH_MS,
      failure: 'Uses of credentials could not be noted',
      write: (rows) => this.repository.used(this.db.manager, rows),
    });
  }

  onModuleInit(): void {
    this.drain.register('flush', CredentialUses.name, async () => {
      const left = await this.writer.stop(CLOSE_MS);
      return left > 0 ? `${left} rows` : undefined;
    });
  }

  /** Looked at every five minutes for each credential, and when it comes from elsewhere; written a moment later, where it says something new. */
  note({ credentialId }: SiteIdentity, address: string | null): void {
    const whence = address ?? '';
    if (this.noted.get(credentialId) === whence) return;
    if (this.writer.add({ credentialId, address })) this.noted.set(credentialId, whence);
  }

  /**
   * A credential that was superseded, and whose overlap is over, was used: told once an hour for each site and address, and the site's template says
   * what follows. A use that may well be the device's own suspends nothing (docs/adr/0069-reuse-that-suspends.md).
   */
  async superseded({ siteId, orgId, credentialId, kind }: SiteIdentity, address: string | null): Promise<void> {
    const key = `${siteId} ${address}`;
    if (address === null || this.told.get(key)) return;
    const settlingFor = await this.db.tx(async (tx) => {
      if (!(await this.repository.lockSite(tx, siteId))) return 0;
      const reuse = await this.repository.tellReuse(tx, { siteId, credentialId, address }, MAX_ADDRESSES);
      if (!reuse?.isNews) return reuse?.settlingFor ?? 0;
      const { currentAddress, settlingFor } = reuse;
      const isOwn =
        settlingFor > 0 || (currentAddress !== null && addressBucket(currentAddress) === addressBucket(address));
      const onReuse = isOwn ? 'alert' : reuse.onReuse;
      await this.events.emit(tx, {
        orgId,
        type: 'site.credential_reuse',
        siteId,
        data: { credentialId, kind, address, currentAddress, onReuse },
      });
      if (onReuse === 'suspend') await this.hooks.credentialReused.run(tx, orgId, siteId);
      return settlingFor;
    });
    this.told.set(key, true, { ttl: Math.ceil(settlingFor) || HOUR_MS });
  }
}

import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { RevocationNotice, TrustFingerprint } from '#contracts';

/** RFC 7638 thumbprints of the key that signs for an organization, and of the one that is committed to follow it. */
export interface Thumbprints {
  current: string;
  next: string;
}

/** What somebody has shown of a site credential that cannot be used: a hash of all of it, or a token that was given for it. */
export type ProvenCredential = { hash: Buffer } | { credentialId: number };

/** Who signs for organizations, as far as others need to know. */
export interface SigningKeysOf {
  thumbprints(orgUid: string): Promise<Thumbprints>;
  fingerprintIn(tx: EntityManager, orgUid: string): Promise<TrustFingerprint>;
  leadsOn(orgUid: string, fingerprint: TrustFingerprint): Promise<boolean>;
}

/** What machines are told of the keys that sign for their organization, and of the end of their site, by modules that know nothing of these. `instances` provides it. */
@Injectable()
export class SiteTrust {
  private keys: SigningKeysOf | undefined;

  private notice: (proven: ProvenCredential) => Promise<RevocationNotice | null> = () => Promise.resolve(null);

  provideKeys(keys: SigningKeysOf): void {
    this.keys = keys;
  }

  provideNotices(notice: (proven: ProvenCredential) => Promise<RevocationNotice | null>): void {
    this.notice = notice;
  }

  thumbprints(orgUid: string): Promise<Thumbprints> {
    return this.keys!.thumbprints(orgUid);
  }

  /** What machines are told to trust, in the answer of a transaction, which may have made the organization. */
  fingerprintIn(tx: EntityManager, orgUid: string): Promise<TrustFingerprint> {
    return this.keys!.fingerprintIn(tx, orgUid);
  }

  /** Whether a machine that was told to trust this finds its way to the key that signs for the organization. */
  leadsOn(orgUid: string, fingerprint: TrustFingerprint): Promise<boolean> {
    return this.keys!.leadsOn(orgUid, fingerprint);
  }

  /** @returns the statement that the site is over, or null where nothing is known of that. */
  noticeFor(proven: ProvenCredential): Promise<RevocationNotice | null> {
    return this.notice(proven);
  }
}

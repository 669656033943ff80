import { Injectable } from '@nestjs/common';
import type { RevocationNotice } from '#contracts';

/** RFC 7638 thumbprints of the key that signs for an organization, and of the one that is committed to follow it. */
export interface Thumbprints {
  current: string;
  next: string;
}

/** What somebody has shown of a site credential that cannot be used: a hash of all of it, or a token that was given for it. */
export type ProvenCredential = { hash: Buffer } | { credentialId: number };

/** What machines are told of the keys that sign for their organization, and of the end of their site, by modules that know nothing of these. `instances` provides it. */
@Injectable()
export class SiteTrust {
  private lookUp: (orgUid: string) => Promise<Thumbprints> = () => Promise.reject(new Error('Nobody signs'));

  private notice: (proven: ProvenCredential) => Promise<RevocationNotice | null> = () => Promise.resolve(null);

  provideThumbprints(lookUp: (orgUid: string) => Promise<Thumbprints>): void {
    this.lookUp = lookUp;
  }

  provideNotices(notice: (proven: ProvenCredential) => Promise<RevocationNotice | null>): void {
    this.notice = notice;
  }

  thumbprints(orgUid: string): Promise<Thumbprints> {
    return this.lookUp(orgUid);
  }

  /** @returns the statement that the site is over, or null where nothing is known of that. */
  noticeFor(proven: ProvenCredential): Promise<RevocationNotice | null> {
    return this.notice(proven);
  }
}

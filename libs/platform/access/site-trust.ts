import { Injectable } from '@nestjs/common';

/** RFC 7638 thumbprints of the key that signs for an organization, and of the one that is committed to follow it. */
export interface Thumbprints {
  current: string;
  next: string;
}

/** What machines are told of the keys that sign for their organization, by modules that know nothing of these. `instances` provides it. */
@Injectable()
export class SiteTrust {
  private lookUp: (orgUid: string) => Promise<Thumbprints> = () => Promise.reject(new Error('Nobody signs'));

  provideThumbprints(lookUp: (orgUid: string) => Promise<Thumbprints>): void {
    this.lookUp = lookUp;
  }

  thumbprints(orgUid: string): Promise<Thumbprints> {
    return this.lookUp(orgUid);
  }
}

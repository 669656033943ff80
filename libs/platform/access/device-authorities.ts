import type { X509Certificate } from 'node:crypto';
import { Injectable } from '@nestjs/common';

/** A certificate authority of an organization's devices, as far as it takes to believe a certificate. */
export interface DeviceAuthority {
  caId: string;
  orgId: string;
  certificate: X509Certificate;
}

/** Whose signatures under certificates of devices count, for modules that know nothing of how those are made. `provisioning` provides it. */
@Injectable()
export class DeviceAuthorities {
  private lookup: (caId: string) => Promise<DeviceAuthority | null> = () => Promise.resolve(null);

  provide(lookup: (caId: string) => Promise<DeviceAuthority | null>): void {
    this.lookup = lookup;
  }

  /** @returns null for one that is unknown, and for one whose certificates are refused since it was rotated (docs/credentials.md §7). */
  trusted(caId: string): Promise<DeviceAuthority | null> {
    return this.lookup(caId);
  }
}

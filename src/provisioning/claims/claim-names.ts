import { nonceTombstone } from '../../approvals/index.js';
import { renderName } from '../name-template.js';
import type { ClaimRequest } from './claim.js';
import type { KeyPolicy } from './claims.repository.js';

/**
 * What a device may be known or tombstoned as: also as it was before its template had a form (docs/claims.md rule 33), and without a hardware
 * id by its nonce.
 */
export function namesOf({ hardwareId, sentHardwareId, nonceHash }: ClaimRequest): string[] {
  if (hardwareId === null) return nonceHash === null ? [] : [nonceTombstone(nonceHash)];
  return sentHardwareId === null ? [hardwareId] : [hardwareId, sentHardwareId];
}

/** By the template's pattern; null: it has none, and a name is made up. */
export function siteName(policy: KeyPolicy, request: ClaimRequest, deviceId: string): string | null {
  if (policy.nameTemplate === null) return null;
  return renderName(policy.nameTemplate, {
    hardwareId: request.hardwareId ?? undefined,
    deviceId,
    keyName: policy.keyName,
  });
}

import { sameBytes } from '#platform';
import type { ClaimRequest, RefusalReason } from './claim.js';
import type { KeyPolicy, LookedUpSite } from './claims.repository.js';

/**
 * What a re-claim of a known site gets.
 * `reissue`: one more credential, the earlier ones stay valid (docs/claims.md rule 5). `handOver`: a credential instead of all earlier ones (docs/claims.md rule 13).
 * `recognise`: the device id and no secret (docs/claims.md rules 4, 6).
 */
export type ReclaimPlan =
  | { do: 'reissue' }
  | { do: 'handOver' }
  | { do: 'recognise'; contested: boolean }
  | { do: 'refuse'; reason: RefusalReason; contested: boolean };

/** Decides by docs/claims.md rules 4, 5, 6 and 13, and docs/instances.md §2 rules 6 and 7. The key is known to be neither disabled nor revoked, the id not to be tombstoned. */
export function planReclaim(
  site: LookedUpSite,
  request: Pick<ClaimRequest, 'nonceHash'> & Partial<Pick<ClaimRequest, 'door'>>,
  key: Pick<KeyPolicy, 'keyId' | 'profileId' | 'mayDeliver' | 'reclaimPolicy' | 'expired' | 'maxUses' | 'uses'>,
): ReclaimPlan {
  const own = site.keyId === key.keyId;
  const usedUp = isUsedUp(key);
  const live = !key.expired && !usedUp;
  const handsOver = site.armed && !key.expired && (live || own);
  // Only an operator brings a revoked site back, by lifting its tombstone or by arming it.
  if (site.revoked) return handsOver ? { do: 'handOver' } : { do: 'refuse', reason: 'site_revoked', contested: false };
  const sameNonce =
    request.nonceHash !== null && site.nonceHash !== null && sameBytes(request.nonceHash, site.nonceHash);
  if (sameNonce && site.windowOpen) return { do: 'reissue' };

  if (handsOver) return { do: 'handOver' };
  // What receives secrets goes to no key by which a new site would not: it would wait for approval, or come under another profile.
  const mayHave = !site.receivesSecrets || (key.mayDeliver && site.profileId === key.profileId);
  if (key.reclaimPolicy === 'reissue' && live && mayHave) return { do: 'handOver' };

  // Somebody else holds the id, or somebody else claimed it first: worth an operator's look.
  // By EST the nonce is the public key, and a machine keeps that.
  const contested = (!site.authenticated || request.door === 'est') && request.nonceHash !== null && !sameNonce;
  if (key.reclaimPolicy === 'refuse') return { do: 'refuse', reason: 'reclaim_refused', contested };
  if (key.expired) return { do: 'refuse', reason: 'expired', contested };
  if (usedUp && !own) return { do: 'refuse', reason: 'used_up', contested };
  return { do: 'recognise', contested };
}

export const isUsedUp = (key: Pick<KeyPolicy, 'maxUses' | 'uses'>) => key.maxUses !== null && key.uses >= key.maxUses;

import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError, databaseBusy, invalid, SiteTrust, sha256, toAppError } from '#platform';
import { parseKey } from '../keys/key-token.js';
import { ProfileBlueprints } from '../profiles/profile-blueprints.service.js';
import { Replacements } from '../replacements/replacements.service.js';
import { ClaimRefused, type ClaimRequest, type ClaimResult } from './claim.js';
import { ClaimBatches, type Decision } from './claim-batches.service.js';
import { claimsDecided } from './claim-metrics.js';
import type { KeyPolicy } from './claims.repository.js';
import { CredentialIssuer, type FreshCredential } from './credential-issuer.js';
import { credentialPolicy, idsOf, KeyPolicies } from './key-policies.js';
import { Reclaims } from './reclaims.service.js';

/** A claim that finds the site changed under its hands tries again; more often than this never happens by itself, and is refused. */
const ATTEMPTS = 10;

/** One exchange of a provisioning key for a site's own credential (docs/claims.md). Each claim endpoint ends here. */
@Injectable()
export class ClaimsService {
  constructor(
    private readonly batches: ClaimBatches,
    private readonly reclaims: Reclaims,
    private readonly policies: KeyPolicies,
    private readonly issuer: CredentialIssuer,
    private readonly profileBlueprints: ProfileBlueprints,
    private readonly trust: SiteTrust,
    private readonly replacements: Replacements,
  ) {}

  /**
   * @throws ClaimRefused with the private reason; AppError `capacity` when the address pool is full (docs/claims.md rule 15) and for nothing else,
   * `claims_paused` when an operator stopped the organization's claims, `database_unavailable`, also when too many claims wait for it: whatever
   * key they bring, `database_busy` or `database_full`; `validation` for a machine that was told to trust another organization. Nothing is spent or made in any of these cases.
   */
  async claim(request: ClaimRequest): Promise<ClaimResult> {
    try {
      const result = await this.exchange(request);
      claimsDecided.inc({ outcome: result.outcome, reason: '' });
      return result;
    } catch (thrown) {
      const error = notNow(thrown);
      if (error instanceof ClaimRefused) claimsDecided.inc({ outcome: 'refused', reason: error.reason });
      else if (error instanceof AppError && error.code === 'validation')
        claimsDecided.inc({ outcome: 'invalid', reason: 'trust' });
      else claimsDecided.inc({ outcome: 'unavailable', reason: error instanceof AppError ? error.code : 'internal' });
      throw error;
    }
  }

  /** The organization of a key that could make claims with this request; nothing is spent or made. @throws ClaimRefused */
  async organizationOf(request: ClaimRequest): Promise<{ orgUid: string }> {
    const token = parseKey(request.key);
    if (!token) throw new ClaimRefused('malformed');
    return (await this.admit(token.keyId, sha256(token.secret), request)).policy;
  }

  private async exchange(request: ClaimRequest): Promise<ClaimResult> {
    if (this.batches.isFull)
      throw new AppError('database_unavailable', 'The database does not keep up with the claims at the moment', {
        retryAfter: 5,
      });
    const token = parseKey(request.key);
    if (!token) throw new ClaimRefused('malformed');
    const secretHash = sha256(token.secret);
    const { policy, generation } = await this.admit(token.keyId, secretHash, request);
    const { trust } = request;
    if (trust && !(await this.trust.leadsOn(policy.orgUid, trust.fingerprint)))
      throw invalid(trust.field, "is of no signing key of the provisioning key's organization");
    // Before anything is made. A newt does not know what to do with them.
    const told =
      request.door === 'device' || request.bundleKey
        ? { thumbprints: await this.trust.thumbprints(policy.orgUid) }
        : {};
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const deviceId = randomUUID();
      const kind = request.door === 'newt' ? 'newt' : policy.credentialType;
      const fresh = await this.issuer.make(kind, policy.orgUid, deviceId, request.csr, credentialPolicy(policy));
      const decision = await this.batches.submit(token.keyId, {
        orgId: policy.orgId,
        request,
        generation,
        secretHash,
        deviceId,
        fresh,
      });
      const result = await this.finish(decision, request, policy, generation, fresh);
      if (result) return { ...result, ...told };
    }
    throw new ClaimRefused('contended', { ...idsOf(policy), generation });
  }

  /** The checks that need no lock; the hardware id takes the form of the template. What a cached policy refuses is looked up afresh before the refusal counts. */
  private async admit(
    keyId: string,
    secretHash: Buffer,
    request: ClaimRequest,
  ): Promise<{ policy: KeyPolicy; generation: number }> {
    const cached = this.policies.cached(keyId);
    const first = cached && this.policies.inspect(cached, secretHash, request);
    if (first?.generation !== undefined && !first.reason) return { policy: cached!, generation: first.generation };
    const policy = await this.policies.load(keyId);
    if (!policy) throw new ClaimRefused('unknown_key', { keyId });
    const { reason, generation } = this.policies.inspect(policy, secretHash, request);
    if (reason || generation === undefined)
      throw new ClaimRefused(reason ?? 'wrong_secret', { ...idsOf(policy), generation });
    return { policy, generation };
  }

  /** @returns undefined when the claim must be decided again. */
  private async finish(
    decision: Decision,
    request: ClaimRequest,
    policy: KeyPolicy,
    generation: number,
    fresh: FreshCredential,
  ): Promise<ClaimResult | undefined> {
    switch (decision.do) {
      case 'created':
        if (policy.hasBlueprint) await this.profileBlueprints.ensure(decision.siteId);
        return {
          outcome: 'created',
          siteId: decision.siteId,
          deviceId: decision.deviceId,
          ephemeralSeconds: decision.ephemeralSeconds,
          credential: fresh.issued,
        };
      case 'known': {
        const result = await this.reclaims.decide(request, policy, generation, decision.siteId);
        if (result && policy.hasBlueprint) await this.profileBlueprints.ensure(decision.siteId);
        return result;
      }
      case 'replace': {
        const { siteId, deviceId } = decision;
        return this.replacements.claim(policy, { siteId, deviceId, request, generation, fresh });
      }
      case 'again':
        return undefined;
      case 'refuse':
        throw new ClaimRefused(decision.reason, { ...idsOf(policy), generation });
      case 'capacity':
        throw new AppError('capacity', 'The address pool of the organization is full', { retryAfter: 60 });
      case 'paused':
        throw new AppError('claims_paused', 'Claims of the organization are paused', { retryAfter: 60 });
    }
  }
}

/**
 * A claim endpoint answers a refusal, or 503: what was changed or deleted under a claim (404 and 409 elsewhere) is decided anew when the machine
 * asks again.
 */
function notNow(error: unknown): unknown {
  if (error instanceof ClaimRefused) return error;
  const known = toAppError(error);
  if (known.code === 'not_found' || known.code === 'conflict') return databaseBusy();
  return known.code === 'internal' ? error : known;
}

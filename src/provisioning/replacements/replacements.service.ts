import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { conflict, Db, type ExportSource, Hooks, isUniqueViolation, type Principal, type Window } from '#platform';
import { PUBLIC_KEY_TAKEN, SiteCredentialsService } from '../../access/index.js';
import { DecisionsService } from '../../approvals/index.js';
import { AuditService, EventsService } from '../../audit/index.js';
import { type LockedDevice, type SiteDevice, SiteDevices } from '../../sites/index.js';
import { ClaimRefused, type ClaimRequest, type ClaimResult, claimant } from '../claims/claim.js';
import { ClaimsRepository, type KeyPolicy } from '../claims/claims.repository.js';
import type { FreshCredential } from '../claims/credential-issuer.js';
import { idsOf } from '../claims/key-policies.js';
import { isUsedUp } from '../claims/reclaim-policy.js';
import { inForm } from '../hardware-id-form.js';
import { ReplacementsRepository, type WaitingReplacement } from './replacements.repository.js';

/** A claim by a device that is to take over a site. */
export interface ReplacingClaim {
  siteId: number;
  request: ClaimRequest;
  generation: number;
  /** Drawn for the device, which its credential was made for. */
  deviceId: string;
  fresh: FreshCredential;
}

/** Devices that take over the site of another one (docs/replacements.md): what is prepared, and what the claim of such a device causes. */
@Injectable()
export class Replacements {
  constructor(
    private readonly db: Db,
    private readonly repository: ReplacementsRepository,
    private readonly claims: ClaimsRepository,
    private readonly credentials: SiteCredentialsService,
    private readonly decisions: DecisionsService,
    private readonly devices: SiteDevices,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    private readonly hooks: Hooks,
  ) {}

  /**
   * Has the next claim of a hardware id take the site over. The site is locked. @returns until when; null where the site has that device
   * @throws conflict for a device that has a site, is tombstoned, or is to take over another site
   */
  async prepare(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    site: LockedDevice,
    hardwareId: string,
    seconds: number,
  ): Promise<Date | null> {
    const normal = inForm('mac', hardwareId);
    const { siteId, buried } = await this.repository.known(tx, orgId, [hardwareId, normal]);
    if (siteId === site.siteId) return null;
    if (siteId !== null)
      throw conflict(
        `The site ${siteId} has this hardware id: give it as bySiteId, or delete it before the device claims`,
      );
    if (buried) throw conflict('The device is tombstoned; delete the tombstone first');
    try {
      return await this.repository.prepare(
        tx,
        orgId,
        { siteId: site.siteId, hardwareId: normal },
        seconds,
        principal.name,
      );
    } catch (error) {
      throw isUniqueViolation(error) ? conflict('This hardware id is to take over another site already') : error;
    }
  }

  /** What sites of the organization, or one of them, wait for. */
  waiting(
    em: EntityManager,
    orgId: string,
    siteId: number | undefined,
    window: Window,
  ): Promise<{ rows: WaitingReplacement[]; total: number }> {
    return this.repository.list(em, orgId, siteId, window);
  }

  /** All of them, as an export reads them. */
  allWaiting(
    em: EntityManager,
    orgId: string,
    siteId: number | undefined,
  ): ExportSource<WaitingReplacement, unknown[]> {
    return this.repository.all(em, orgId, siteId);
  }

  /** The next claim of the device makes a site of its own again. @returns which device; undefined where the site waits for none */
  withdraw(tx: EntityManager, orgId: string, siteId: number): Promise<string | undefined> {
    return this.repository.withdraw(tx, orgId, siteId);
  }

  /** Whether the last replacement of the site was by this one, which is gone. */
  wasBy(em: EntityManager, orgId: string, siteId: number, bySiteId: number): Promise<boolean> {
    return this.repository.wasBy(em, orgId, siteId, bySiteId);
  }

  /** The machine of one site becomes that of another: what provisioning knows of it. Both are locked. */
  async moved(tx: EntityManager, principal: Principal, orgId: string, from: number, to: number): Promise<void> {
    await this.repository.movePublicKeys(tx, from, to);
    await this.repository.done(tx, orgId, to, from, principal.name);
  }

  /** In the transaction of the replacement, once the site has its device: what is counted by key, the audit row, and the event. */
  async tell(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    site: LockedDevice,
    device: SiteDevice,
    more: Record<string, unknown>,
  ): Promise<void> {
    const changed = {
      deviceId: device.deviceId,
      hardwareId: device.hardwareId,
      formerDeviceId: site.deviceId,
      formerHardwareId: site.hardwareId,
    };
    await this.repository.followKey(tx, site.siteId);
    await this.audit.record(tx, principal, {
      orgId,
      action: 'site.replace',
      target: { type: 'site', id: site.siteId },
      details: { ...changed, ...more },
    });
    await this.events.emit(tx, {
      orgId,
      type: 'site.replaced',
      siteId: site.siteId,
      data: { niceId: site.niceId, name: site.name, ...changed, by: principal.name },
    });
  }

  /**
   * A claim whose device is to take over a site, decided under the locks of key and site, in this order. It spends no use of the key.
   * @returns undefined when that is so no longer: decide again. @throws ClaimRefused
   */
  async claim(policy: KeyPolicy, claim: ReplacingClaim): Promise<ClaimResult | undefined> {
    try {
      return await this.db.tx((tx) => this.claimIn(tx, policy.keyId, claim));
    } catch (error) {
      // Another site has just taken the public key: decided again, it is found there.
      if (isUniqueViolation(error, PUBLIC_KEY_TAKEN)) return undefined;
      throw error;
    }
  }

  private async claimIn(
    tx: EntityManager,
    keyId: string,
    { siteId, request, generation, deviceId, fresh }: ReplacingClaim,
  ): Promise<ClaimResult | undefined> {
    const policy = await this.claims.lockPolicy(tx, keyId);
    if (!policy) return undefined;
    const { orgId, orgUid } = policy;
    const site = (await this.devices.lock(tx, orgId, [siteId])).get(siteId);
    if (!site) return undefined;
    await this.credentials.lockWindow(tx, siteId);
    const waiting = { siteId, hardwareId: inForm('mac', request.hardwareId!) };
    const askedBy = await this.repository.take(tx, orgId, waiting);
    if (askedBy === undefined) return undefined;
    const about = { ...idsOf(policy), generation, siteId };
    if (policy.disabled || policy.revoked) throw new ClaimRefused(policy.disabled ? 'disabled' : 'revoked', about);
    if (policy.expired) throw new ClaimRefused('expired', about);
    if (isUsedUp(policy) && site.keyId !== keyId) throw new ClaimRefused('used_up', about);
    const { publicKeyHash } = fresh.stored;
    if (publicKeyHash && (await this.claims.keyOwners(tx, [publicKeyHash])).size > 0)
      throw new ClaimRefused('public_key_taken', about);

    const principal = claimant(request, deviceId);
    const tombstone = await this.decisions.retire(tx, { ...principal, name: askedBy }, orgId, site);
    await this.credentials.forgetWindow(tx, siteId);
    await this.credentials.insertMany(tx, [{ ...fresh.stored, siteId, orgId, nonceHash: request.nonceHash }]);
    const [claimId] = await this.claims.insert(tx, [
      {
        orgId,
        orgUid,
        keyId,
        generation,
        templateId: policy.templateId,
        siteId,
        door: request.door,
        hardwareId: request.hardwareId,
        sentHardwareId: request.sentHardwareId,
        address: request.address,
        outcome: 'reissued',
        reason: null,
      },
    ]);
    const device: SiteDevice = {
      deviceId,
      hardwareId: request.hardwareId,
      claimId: claimId!,
      keyId,
      keyGeneration: generation,
      templateId: policy.templateId,
      claimedFrom: request.address,
      oddities: [],
    };
    await this.devices.give(tx, orgId, siteId, device, 0);
    await this.hooks.siteReissued.run(tx, principal, orgId, siteId, request.bundleKey, true);
    await this.hooks.sitesChanged.run(tx, orgId, [siteId]);
    await this.tell(tx, principal, orgId, site, device, { keyId, generation, door: request.door, askedBy, tombstone });
    return { outcome: 'reissued', siteId, deviceId, ephemeralSeconds: null, credential: fresh.issued };
  }
}

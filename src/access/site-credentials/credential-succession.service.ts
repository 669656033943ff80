import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CREDENTIAL_LIMITS } from '#contracts';
import { AppError, invalid, isUniqueViolation, notify, Retention } from '#platform';
import { EventsService } from '../../audit/index.js';
import {
  CredentialSuccessionRepository,
  type ListedCredential,
  type RotationRow,
  type Subject,
} from './credential-succession.repository.js';
import { unusable } from './site-admission.js';
import { type NewSiteCredential, PUBLIC_KEY_TAKEN, SiteCredentialsRepository } from './site-credentials.repository.js';

/** Next credentials that stand beside a current one: lost answers are asked for again. */
const MAX_NEXT = 20;
/** Of one site within a day, used or not: each leaves rows, events and notices behind. */
const MAX_A_DAY = 100;
/** What operators are shown of one site. */
const MAX_LISTED = 100;

/** Who asks for the next credential: a site, by a credential that may be renewed. */
export interface Renewing {
  siteId: number;
  orgId: string;
  credentialId: number;
}

/** How one credential of a site follows another (docs/credentials.md §2 and §3). */
@Injectable()
export class CredentialSuccession implements OnModuleInit {
  constructor(
    private readonly repository: CredentialSuccessionRepository,
    private readonly credentials: SiteCredentialsRepository,
    private readonly events: EventsService,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    this.retention.register({
      table: 'site_credential',
      id: 'credential_id',
      since: `coalesce(ends_at, CASE WHEN stage = 'next' THEN revoked_at END)`,
      // A certificate that was revoked is told of until it has expired.
      unless: 'coalesce(r.expires_at > now(), false)',
    });
    this.retention.register({ table: 'credential_proof', id: 'proof_id' });
    this.retention.register({ table: 'credential_reuse', expired: `told_at < now() - interval '1 day'` });
  }

  /**
   * The first authenticated use of a next credential: it becomes the current one, the one before a previous one, and the other next ones go.
   * @returns false when there was nothing left to do: it is the current one already, or was revoked
   */
  async promote(
    tx: EntityManager,
    { siteId, orgId, credentialId, kind }: Renewing & { kind: string },
  ): Promise<boolean> {
    if (!(await this.repository.lockSite(tx, siteId))) return false;
    const promoted = await this.repository.promote(tx, siteId, credentialId);
    if (!promoted) return false;
    await this.events.emit(tx, {
      orgId,
      type: 'site.credential_rotated',
      siteId,
      data: { credentialId, kind, previousEndsAt: promoted.previousEndsAt.toISOString() },
    });
    await notify(tx, 'site_changed', String(siteId));
    return true;
  }

  /**
   * Stores a next credential beside the current one. The site stays locked.
   * @returns its number. @throws credential_unusable when the site or the credential ended meanwhile, rate_limited when 20 wait to be used, validation
   * for the public key of another site
   */
  async addNext(
    tx: EntityManager,
    { siteId, orgId, credentialId }: Renewing,
    stored: Omit<NewSiteCredential, 'siteId' | 'orgId'>,
  ): Promise<number> {
    const live = await this.repository.lockSite(tx, siteId);
    if (!live || !(await this.repository.mayRenew(tx, siteId, credentialId))) throw unusable();
    const { count, oldestFor, made, oldestMadeFor, overlapSeconds } = await this.repository.waiting(
      tx,
      siteId,
      credentialId,
    );
    if (made >= MAX_A_DAY) throw tooMany(`This site has had ${MAX_A_DAY} credentials within a day`, oldestMadeFor);
    if (count >= MAX_NEXT) throw tooMany(`${MAX_NEXT} credentials of this site wait to be used`, oldestFor);
    const overlap = overlapSeconds ?? CREDENTIAL_LIMITS.overlapSeconds;
    const next = { ...stored, siteId, orgId, stage: 'next' as const, overlapSeconds: overlap };
    const [id] = await this.credentials.insertMany(tx, [next]).catch((error: unknown) => {
      if (isUniqueViolation(error, PUBLIC_KEY_TAKEN)) throw invalid('csr', 'holds a public key that another site has');
      throw error;
    });
    if (stored.pskIdentity) await this.credentials.announcePsks(tx, [stored.pskIdentity]);
    return id!;
  }

  /** @returns what the next credential is to be made for, as it is now; null: the site is gone */
  subjectOf(em: EntityManager, { siteId, credentialId }: Renewing): Promise<Subject | null> {
    return this.repository.subject(em, siteId, credentialId);
  }

  /**
   * Has sites take another credential: the server process that holds a site's session offers it at once, else it is taken at the next hello or renewal.
   * @param jobId whose work it is, if a job's. @returns the sites that are there and not revoked
   */
  requestRotations(
    tx: EntityManager,
    orgId: string,
    siteIds: number[],
    overlapSeconds: number,
    jobId: number | null,
  ): Promise<number[]> {
    return this.repository.requestRotations(tx, orgId, siteIds, overlapSeconds, jobId);
  }

  /** Sites with an id above `after` that have used the next credential a job asked for: each is answered once. */
  takeProofs(tx: EntityManager, jobId: number, after: number, limit: number): Promise<number[]> {
    return this.repository.takeProofs(tx, jobId, after, limit);
  }

  /** @returns what was asked of the site and is not done; null: nothing */
  rotationOf(em: EntityManager, orgId: string, siteId: number): Promise<RotationRow | null> {
    return this.repository.rotation(em, orgId, siteId);
  }

  /**
   * The site is handed a next credential, or is told to fetch one (`stored` null), because it was asked to take one. It stays locked.
   * @returns the next credential, if there is one; null when nothing is asked of it any more. @throws as `addNext`
   */
  async offer(
    tx: EntityManager,
    session: Renewing,
    stored: Omit<NewSiteCredential, 'siteId' | 'orgId'> | null,
  ): Promise<{ credentialId: number | null } | null> {
    if (!(await this.repository.lockSite(tx, session.siteId))) throw unusable();
    if (!(await this.repository.markOffered(tx, session.siteId))) return null;
    return { credentialId: stored && (await this.addNext(tx, session, stored)) };
  }

  /** The newest credentials of a site, without what they prove it with. */
  list(em: EntityManager, orgId: string, siteId: number): Promise<ListedCredential[]> {
    return this.repository.list(em, orgId, siteId, MAX_LISTED);
  }
}

const tooMany = (why: string, retryAfter: number | null) =>
  new AppError('rate_limited', why, { retryAfter: retryAfter ?? 60 });

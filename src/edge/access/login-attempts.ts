import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { atMost } from '#platform';
import { fieldOf } from '../http/fields.js';
import { AccessLog } from '../logs/access-log.js';
import type { LoggedUser, LoginEntry } from '../logs/entries.js';
import { Geography } from '../policy/geography.js';
import type { EdgeRequest } from './edge-request.js';

/** Programs that show their credentials with each request are told of anew after this. */
const ANEW_MS = 3_600_000;

/** Where an attempt came from. */
interface Source {
  requestId: string;
  address: string | null;
  userAgent: string | null;
}

type Attempt = Pick<LoginEntry, 'type' | 'allowed'> & { user?: LoggedUser };

/** Tells the log of logins who tried to get in to a resource, and how (docs/edge-access.md "The log of logins"). Nothing waits for it. */
@Injectable()
export class LoginAttempts {
  private readonly told = new LRUCache<string, true>({ ...atMost(20_000), ttl: ANEW_MS });

  constructor(
    private readonly log: AccessLog,
    private readonly geography: Geography,
  ) {}

  /** Somebody logged in by a page or a link, or was refused. */
  add(request: EdgeRequest, attempt: Attempt): void {
    this.write(request.route.settings, sourceOf(request), attempt);
  }

  /**
   * A credential came along with a request, as it does with each: noted is the first from an address in an hour.
   * @param credential which one, without its secret
   */
  addOnce(request: EdgeRequest, attempt: Attempt, credential: string): void {
    const key = `${request.route.settings.resourceId} ${attempt.allowed} ${credential} ${request.client}`;
    if (this.told.has(key)) return;
    // One that found no room does not push others out of what is remembered.
    if (this.write(request.route.settings, sourceOf(request), attempt)) this.told.set(key, true);
  }

  /** The dashboard did not let somebody in to a resource. */
  addRefusedUser(of: { orgId: string; resourceId: number }, source: Source, user: LoggedUser): void {
    this.write(of, source, { type: 'sso', allowed: false, user });
  }

  private write(
    { orgId, resourceId }: { orgId: string; resourceId: number },
    source: Source,
    { type, allowed, user }: Attempt,
  ): boolean {
    const country = source.address === null ? undefined : this.geography.country(source.address);
    const of = { orgId, resourceId, type, allowed, user: user ?? null, country: country ?? null };
    return this.log.record({ time: Date.now(), ...source, ...of });
  }
}

const sourceOf = ({ requestId, client, rawHeaders }: EdgeRequest): Source => ({
  requestId,
  address: client,
  userAgent: fieldOf(rawHeaders, 'user-agent') ?? null,
});

import { Injectable } from '@nestjs/common';
import { Db, notFound, type Principal, RefusalLimiter } from '#platform';
import { SessionTokens, SiteCredentialsService, type SiteIdentity } from '../access/index.js';
import type { DeviceSelf, NewtCredentials, SessionToken } from './agents.dto.js';
import { AgentsRepository } from './agents.repository.js';
import { unusable } from './presence/presence.service.js';

/** The newt protocol that is spoken here; newt wants 1.13 or later (docs/newt.md §2.2). */
export const SERVER_VERSION = '1.13.0';

/** What agents ask over HTTP. */
@Injectable()
export class AgentsService {
  constructor(
    private readonly db: Db,
    private readonly credentials: SiteCredentialsService,
    private readonly tokens: SessionTokens,
    private readonly limiter: RefusalLimiter,
    private readonly repository: AgentsRepository,
  ) {}

  /** @throws AppError `credential_unusable`, the same for every reason; `rate_limited` instead of it (docs/claims.md rule 10). */
  async tokenForNewt(caller: Principal, { newtId, secret }: NewtCredentials): Promise<SessionToken> {
    return this.answer(caller, await this.credentials.authenticateNewt(newtId, secret), newtId);
  }

  /** Takes the two headers that may hold the key. @throws like `tokenForNewt`. */
  async tokenForDevice(
    caller: Principal,
    authorization: string | undefined,
    apiKey: string | string[] | undefined,
  ): Promise<SessionToken> {
    const key = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? (typeof apiKey === 'string' ? apiKey : '');
    return this.answer(caller, await this.credentials.authenticateDeviceKey(key.trim()));
  }

  /** The caller's own site (docs/claims.md "Claim endpoints"). */
  async self(principal: Principal): Promise<DeviceSelf> {
    const site =
      principal.site && (await this.repository.self(this.db.manager, principal.site.orgId, principal.site.siteId));
    if (!site) throw notFound('Site');
    return {
      device_id: site.deviceId,
      site_id: site.siteId,
      nice_id: site.niceId,
      name: site.name,
      status: site.status,
      config_version: site.version,
      ...(site.status === 'approved' ? { config: site.config } : {}),
    };
  }

  private answer(caller: Principal, site: SiteIdentity | null, name?: string): SessionToken {
    if (!site) {
      this.limiter.refused(caller.address ?? '', name);
      throw unusable();
    }
    return { token: this.tokens.issue(site), serverVersion: SERVER_VERSION };
  }
}

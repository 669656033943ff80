import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Db, notFound, type Principal, sha256 } from '#platform';
import {
  ConnectionCredentials,
  connectionProof,
  newtProof,
  SessionTokens,
  SiteAdmission,
  SiteCredentialsService,
  type SiteIdentity,
} from '../access/index.js';
import type { DeviceSelf, NewtCredentials, SessionToken } from './agents.dto.js';
import { AgentsRepository } from './agents.repository.js';

/** The newt protocol that is spoken here; newt wants 1.13 or later (docs/newt.md §2.2). */
export const SERVER_VERSION = '1.13.0';

/** What agents ask over HTTP. */
@Injectable()
export class AgentsService {
  constructor(
    private readonly db: Db,
    private readonly credentials: SiteCredentialsService,
    private readonly tokens: SessionTokens,
    private readonly admission: SiteAdmission,
    private readonly connection: ConnectionCredentials,
    private readonly repository: AgentsRepository,
  ) {}

  /**
   * @throws AppError `credential_unusable`, the same for every reason, with a statement for who proves a credential whose site is over, and a word for who
   * proves one that may be renewed; `rate_limited` instead of it (docs/claims.md rule 10).
   */
  async tokenForNewt(caller: Principal, { newtId, secret }: NewtCredentials): Promise<SessionToken> {
    const found = await this.credentials.authenticateNewt(newtId, secret);
    const proven = { hash: newtProof(newtId, secret) };
    return this.tokenOf(await this.admission.admit(found, { address: caller.address, proven, name: newtId }));
  }

  /** Takes the key of one of two headers, or what the connection proves. @throws like `tokenForNewt`. */
  async tokenForDevice(caller: Principal, request: IncomingMessage): Promise<SessionToken> {
    const { authorization, 'x-api-key': apiKey } = request.headers;
    const credential = this.connection.presentedBy(request);
    if (credential && !authorization && !apiKey) {
      const found = await this.connection.authenticate(credential);
      const proven = { hash: connectionProof(credential) };
      const site = await this.admission.admit(found, { address: caller.address, proven });
      this.connection.admitted(request, credential, site);
      return this.tokenOf(site);
    }
    const presented = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? (typeof apiKey === 'string' ? apiKey : '');
    const key = presented.trim();
    const found = await this.credentials.authenticateDeviceKey(key);
    return this.tokenOf(await this.admission.admit(found, { address: caller.address, proven: { hash: sha256(key) } }));
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

  private tokenOf(site: SiteIdentity): SessionToken {
    return { token: this.tokens.issue(site), serverVersion: SERVER_VERSION };
  }
}

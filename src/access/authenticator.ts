import { Injectable } from '@nestjs/common';
import {
  AppError,
  Config,
  type GatehouseRequest,
  type Principal,
  plainAddress,
  RefusalLimiter,
  sha256,
} from '#platform';
import { ApiKeyUses } from './api-keys/api-key-uses.js';
import { ApiKeysService } from './api-keys/api-keys.service.js';
import {
  type Presented,
  presentedBy,
  presentedBySite,
  SECURE_SESSION_COOKIE,
  SESSION_COOKIE,
} from './request-credential.js';
import { SessionsService } from './sessions/sessions.service.js';
import { ConnectionCredentials, connectionProof } from './site-credentials/connection-credentials.service.js';
import type { Authenticated, SiteIdentity } from './site-credentials/credential-standing.js';
import { SessionTokens } from './site-credentials/session-tokens.js';
import { newtProof, type Presenter, SiteAdmission } from './site-credentials/site-admission.js';
import { SiteCredentialsService } from './site-credentials/site-credentials.service.js';

/** Turns what a request presents into a principal, or refuses it. */
@Injectable()
export class Authenticator {
  readonly cookieName: string;

  constructor(
    config: Config,
    private readonly apiKeys: ApiKeysService,
    private readonly sessions: SessionsService,
    private readonly siteCredentials: SiteCredentialsService,
    private readonly tokens: SessionTokens,
    private readonly limiter: RefusalLimiter,
    private readonly admission: SiteAdmission,
    private readonly connection: ConnectionCredentials,
    private readonly keyUses: ApiKeyUses,
  ) {
    this.cookieName = config.http.publicUrl.protocol === 'https:' ? SECURE_SESSION_COOKIE : SESSION_COOKIE;
  }

  /** @param bySite the route is one for sites, which takes what newts have as well and, without a header, what the connection proves */
  presented(request: GatehouseRequest, bySite: boolean): Presented {
    // Whatever else is presented: a certificate that nobody may tell is refused on every route.
    const proven = this.connection.presentedBy(request.raw);
    if (!bySite) return presentedBy(request, this.cookieName);
    const presented = presentedBySite(request, this.cookieName);
    return presented.kind === 'none' ? (proven ?? presented) : presented;
  }

  /**
   * @param renewing the route takes site credentials that have expired
   * @throws AppError 401 with the texts of docs/integration-api.md §1.3; 429 once an address or a key id was refused too often.
   */
  async authenticate(request: GatehouseRequest, presented: Presented, renewing = false): Promise<Principal> {
    const address = addressOf(request);
    switch (presented.kind) {
      case 'apiKey': {
        const principal = await this.apiKeys.authenticate(presented.id, presented.secret);
        if (!principal)
          throw this.refuse(address, new AppError('unauthenticated', 'Invalid API key'), `key:${presented.id}`);
        this.keyUses.note(presented.id, address);
        return { ...principal, address };
      }
      case 'deviceKey':
        return this.site(await this.siteCredentials.authenticateDeviceKey(presented.key), {
          address,
          proven: { hash: sha256(presented.key) },
          renewing,
        });
      case 'newt': {
        const { newtId, secret } = presented;
        const proven = { hash: newtProof(newtId, secret) };
        const found = await this.siteCredentials.authenticateNewt(newtId, secret);
        return this.site(found, { address, proven, name: newtId, renewing });
      }
      case 'sessionToken': {
        const bearer = this.tokens.verify(presented.token);
        if (!bearer)
          throw this.refuse(address, new AppError('unauthenticated', 'The session token is not good any more'));
        const found = await this.siteCredentials.authenticateBearer(bearer);
        return this.site(found, { address, proven: bearer, renewing });
      }
      case 'psk':
      case 'certificate': {
        const found = await this.connection.authenticate(presented);
        const proven = { hash: connectionProof(presented) };
        const site = await this.admission.admit(found, { address, proven, renewing });
        this.connection.admitted(request.raw, presented, site);
        return principalOf(site, address);
      }
      case 'session': {
        const sessionHash = sha256(presented.token);
        const principal = await this.sessions.authenticate(sessionHash, address);
        if (!principal) throw new AppError('unauthenticated', 'Not logged in');
        return { ...principal, address, sessionHash };
      }
      // Not looked up: it may be good or not, here it authorizes nothing (docs/claims.md rule 7).
      case 'provisioningKey':
        return {
          authority: { kind: 'provisioningKey' },
          kind: 'anonymous',
          id: null,
          name: 'provisioning key',
          address,
        };
      case 'malformed':
        throw this.refuse(address, new AppError('unauthenticated', 'Invalid API key'));
      case 'none':
        throw new AppError(
          'unauthenticated',
          request.viaIntegration ? 'API key required' : 'API key or login required',
        );
    }
  }

  private async site(found: Authenticated, presenter: Presenter): Promise<Principal> {
    return principalOf(await this.admission.admit(found, presenter), presenter.address);
  }

  private refuse(address: string | null, error: AppError, name?: string): AppError {
    this.limiter.refused(address ?? '', name);
    return error;
  }
}

const principalOf = ({ siteId, orgId, credentialId, niceId }: SiteIdentity, address: string | null): Principal => ({
  authority: { kind: 'site', orgId },
  kind: 'site',
  id: String(siteId),
  name: niceId,
  address,
  site: { siteId, orgId, credentialId },
});

/** The source of a request as an address that PostgreSQL's inet takes. */
export function addressOf(request: GatehouseRequest): string | null {
  for (const candidate of [request.ip, request.socket?.remoteAddress]) {
    const plain = candidate ? plainAddress(candidate) : null;
    if (plain !== null) return plain;
  }
  return null;
}

/** The caller of a public route. */
export const anonymous = (request: GatehouseRequest): Principal => ({
  authority: { kind: 'nothing' },
  kind: 'anonymous',
  id: null,
  name: 'anonymous',
  address: addressOf(request),
  ...(request.headers['user-agent'] === undefined ? {} : { userAgent: request.headers['user-agent'] }),
});

import type { IncomingMessage } from 'node:http';
import proxyAddr from '@fastify/proxy-addr';
import { Injectable } from '@nestjs/common';
import { AppError, Config, plainAddress, RefusalLimiter } from '#platform';
import {
  ConnectionCredentials,
  connectionProof,
  SessionTokens,
  SiteAdmission,
  type TokenBearer,
  unusable,
} from '../../access/index.js';
import type { Upgrade } from './upgrade-router.js';

/** Whose an upgrade is, and from where: an address as PostgreSQL's inet reads it, or null. */
export interface UpgradeBearer extends TokenBearer {
  address: string | null;
}

/** Who asks for an upgrade: what the handshakes of sessions and of tunnels have in common (docs/agent-protocol.md rules 2 to 4). */
@Injectable()
export class UpgradeAuthentication {
  private readonly trusts: ReturnType<typeof proxyAddr.compile>;

  constructor(
    private readonly config: Config,
    private readonly tokens: SessionTokens,
    private readonly limiter: RefusalLimiter,
    private readonly connection: ConnectionCredentials,
    private readonly admission: SiteAdmission,
  ) {
    this.trusts = proxyAddr.compile([...config.http.trustProxy]);
  }

  /**
   * Who a token names or, without one, whose credential the connection proves. Whether a token's credential is still good, and what its site's row says, is the
   * caller's to ask.
   * @throws AppError `capacity` from a server that serves no agents; `credential_unusable`, `rate_limited`, `out_of_service`
   */
  async bearerOf({ request, token }: Pick<Upgrade, 'request' | 'token'>): Promise<UpgradeBearer> {
    if (!this.config.cluster.roles.has('agents'))
      throw new AppError('capacity', 'This server takes no sessions of agents', { retryAfter: 30 });
    const source = proxyAddr(request, this.trusts);
    const address = plainAddress(source);
    const bearer = await this.find(request, token, address);
    if (bearer) return { siteId: bearer.siteId, credentialId: bearer.credentialId, address };
    this.limiter.refused(source);
    throw unusable();
  }

  /** What to throw at whose credential is not good any more: with a statement, where the site is over (docs/instances.md §3.3). */
  refusalOf({ credentialId }: Pick<TokenBearer, 'credentialId'>): Promise<AppError> {
    return this.admission.refusalOf({ credentialId });
  }

  private async find(
    request: IncomingMessage,
    token: string | null,
    address: string | null,
  ): Promise<TokenBearer | null> {
    const credential = this.connection.presentedBy(request);
    if (token !== null) return this.tokens.verify(token);
    if (!credential) return null;
    const found = await this.connection.authenticate(credential);
    return this.admission.admit(found, { address, proven: { hash: connectionProof(credential) } });
  }
}

import { type CanActivate, type ExecutionContext, Injectable, Logger } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { grants } from '#contracts';
import {
  AppError,
  DatabaseHealth,
  databaseAway,
  type GatehouseRequest,
  notFound,
  type Principal,
  ROUTE_SCOPE,
  type RouteScope,
  TenantResolvers,
} from '#platform';
import { Authenticator, anonymous } from './authenticator.js';
import { ClosedOrgs } from './closed-orgs.js';
import { CSRF_HEADER, CSRF_VALUE, type Presented } from './request-credential.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

const denied = () => new AppError('permission_denied', 'The credential does not allow this');

const orgClosed = () =>
  new AppError('org_closed', 'The organization is closed: people may look, and an Admin can reopen it');

/**
 * THE guard (docs/claims.md rule 7): registered once, closed by default. Who asks, what the route declares, which organization its path names;
 * 401 for nobody, 404 for what the caller has nothing to do with, 403 for a missing action, in this order.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  private readonly logger = new Logger(AccessGuard.name);

  constructor(
    private readonly reflector: Reflector,
    private readonly health: DatabaseHealth,
    private readonly authenticator: Authenticator,
    private readonly resolvers: TenantResolvers,
    private readonly closed: ClosedOrgs,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // The gateway authenticates in the HTTP upgrade; its messages come from a known site.
    if (context.getType() === 'ws') return true;
    const request = context.switchToHttp().getRequest<GatehouseRequest>();
    if (this.health.isAway && request.url.startsWith('/api/')) throw databaseAway();
    const scope = this.reflector.get<RouteScope | undefined>(ROUTE_SCOPE, context.getHandler());
    if (!scope) {
      this.logger.error({ path: request.routeOptions?.url }, 'A route without a declared scope refuses everyone');
      throw denied();
    }
    // The principal of a credential may be kept for later requests.
    request.principal = { ...(await this.admit(request, scope)), requestId: request.id };
    return true;
  }

  private async admit(request: GatehouseRequest, scope: RouteScope): Promise<Principal> {
    const presented = this.authenticator.presented(request, scope.kind === 'site');
    this.checkCsrf(request, scope, presented);
    if (scope.kind === 'public') return anonymous(request);
    if (scope.kind === 'site' && scope.direct && presented.kind === 'sessionToken')
      throw new AppError('permission_denied', 'A session token does not do here: the credential itself is needed');
    const principal = await this.authenticator.authenticate(
      request,
      presented,
      scope.kind === 'site' && scope.renewing === true,
    );
    switch (scope.kind) {
      case 'org':
        await this.admitToOrg(request, principal, scope);
        break;
      case 'root':
        if (grants(principal.authority, scope) !== 'granted') throw denied();
        await this.resolve(request, principal);
        break;
      case 'own':
        if (grants(principal.authority, scope) !== 'granted') throw denied();
        if (principal.authority.kind === 'orgKey' && (await this.closed.isClosed(principal.authority.orgId)))
          throw orgClosed();
        break;
      default:
        if (grants(principal.authority, scope) !== 'granted') throw denied();
    }
    return principal;
  }

  /** docs/claims.md rule 14: about cookies only, and about the routes that set or clear one. */
  private checkCsrf(request: GatehouseRequest, scope: RouteScope, presented: Presented): void {
    const declared = (scope.kind === 'public' || scope.kind === 'user') && scope.csrf;
    const byCookie = scope.kind !== 'public' && presented.kind === 'session' && !SAFE_METHODS.has(request.method);
    if ((declared || byCookie) && request.headers[CSRF_HEADER] !== CSRF_VALUE) {
      throw new AppError('csrf', `The header X-CSRF-Token: ${CSRF_VALUE} is required`);
    }
  }

  private async admitToOrg(
    request: GatehouseRequest,
    principal: Principal,
    scope: RouteScope & { kind: 'org' },
  ): Promise<void> {
    const { authority } = principal;
    // These never work on behalf of an organization: nothing is looked up for them.
    if (authority.kind === 'site' || authority.kind === 'provisioningKey' || authority.kind === 'nothing')
      throw denied();
    const ask = (orgId: string) => grants(authority, { kind: 'org', action: scope.action, orgId });
    const orgId = await this.resolve(request, principal, (candidate) => ask(candidate) !== 'hidden');
    if (orgId === undefined) {
      this.logger.error({ path: request.routeOptions?.url }, 'A route of an organization names none in its path');
      throw denied();
    }
    if (ask(orgId) !== 'granted' || (authority.kind === 'orgKey' && !scope.orgKeys)) throw denied();
    const mayWhileClosed = authority.kind !== 'orgKey' && (scope.whileClosed || SAFE_METHODS.has(request.method));
    if (!mayWhileClosed && (await this.closed.isClosed(orgId))) throw orgClosed();
  }

  /**
   * Finds the organization that the path names; every parameter must agree on it. What is hidden from the caller is answered like what does
   * not exist, before the next parameter is looked at, so that nothing can be told from the difference.
   * @throws AppError 404
   */
  private async resolve(
    request: GatehouseRequest,
    principal: Principal,
    visible: (orgId: string) => boolean = () => true,
  ): Promise<string | undefined> {
    const params = request.params as Record<string, string>;
    let orgId: string | undefined;
    for (const [name, value] of Object.entries(params)) {
      const resolver = this.resolvers.get(name);
      if (!resolver) {
        this.logger.error(
          { path: request.routeOptions?.url, parameter: name },
          'A path parameter without a resolver refuses everyone',
        );
        throw denied();
      }
      // PostgreSQL has no text with NUL in it.
      const found = value.includes('\0') ? null : await resolver(value, principal, orgId);
      if (!found) throw notFound(nounOf(name));
      if (found.orgId !== null) {
        if ((orgId ?? found.orgId) !== found.orgId || !visible(found.orgId)) throw notFound(nounOf(name));
        orgId = found.orgId;
      }
      if (found.id !== undefined) params[name] = String(found.id);
    }
    request.orgId = orgId;
    return orgId;
  }
}

const NOUNS: Record<string, string> = { orgId: 'Organization', niceId: 'Site', apiKeyId: 'API key' };

/** `siteProvisioningKeyId` → `Site provisioning key`. */
function nounOf(parameter: string): string {
  const words = parameter
    .replace(/Id$/, '')
    .replace(/([A-Z])/g, ' $1')
    .toLowerCase();
  return NOUNS[parameter] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

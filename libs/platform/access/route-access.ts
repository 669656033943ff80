import { applyDecorators, createParamDecorator, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { ApiBasicAuth, ApiBearerAuth, ApiCookieAuth, ApiExtension, ApiHeader, ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Action, Authority } from '#contracts';
import { ErrorResponses } from '../http/api-responses.js';
import type { ExportFormat } from '../http/exports.js';

/** Who asks, and from where. Every service method for a controller starts with one. */
export interface Principal {
  /** What it holds, for `grants()`. */
  authority: Authority;
  kind: 'user' | 'api_key' | 'root_key' | 'site' | 'agent' | 'system' | 'anonymous';
  /** user id, API key id or site id; null for anonymous. */
  id: string | null;
  /** How the audit names it: an e-mail address or a key's name. */
  name: string;
  /** Source address of the request; null for the system itself. */
  address: string | null;
  /** The request that it came with; absent for machines that claim and for the system itself. */
  requestId?: string;
  /**
   * The internal identity of each organization that it belongs to, as it was when the credential was looked up (ADR 0021). Absent for root
   * keys and server administrators: what they may do, they may do in any organization.
   */
  orgUids?: ReadonlyMap<string, string>;
  /** When its authority ends by itself; absent: not by itself. */
  endsAt?: Date;
  /** The site, when a site credential authenticated. */
  site?: { siteId: number; orgId: string; credentialId: number };
  /** What the program of somebody unknown calls itself: a session that begins is remembered by it. */
  userAgent?: string;
  /** Hash of the session cookie's token, when a session authenticated. */
  sessionHash?: Buffer;
}

/** For what the server does by itself: jobs, first run, the admin command. */
export const systemPrincipal = (name: string): Principal => ({
  authority: { kind: 'rootKey' },
  kind: 'system',
  id: null,
  name,
  address: null,
});

/** What a route declares. The guard refuses a route that declares nothing. */
export type RouteScope =
  | { kind: 'org'; action: Action | null; orgKeys: boolean; whileClosed?: boolean }
  | { kind: 'root'; action: Action }
  | { kind: 'own' }
  | { kind: 'user'; csrf: boolean }
  | { kind: 'site'; direct: boolean; renewing?: boolean }
  | { kind: 'public'; why: string; csrf: boolean };

export const ROUTE_SCOPE = 'gatehouse:scope';

const declare = (scope: RouteScope) =>
  applyDecorators(
    SetMetadata(ROUTE_SCOPE, scope),
    ApiExtension('x-scope', 'action' in scope && scope.action ? `${scope.kind}:${scope.action}` : scope.kind),
  );

const CSRF_HEADER = ApiHeader({
  name: 'X-CSRF-Token',
  required: true,
  schema: { type: 'string', enum: ['x-csrf-protection'] },
});

/**
 * The action must be held in the organization that the path names, directly (`orgId`) or through a resolver (`siteId`, …).
 * null: every key and member of it may (docs/integration-api.md §1.5). `orgKeys: false`: organization keys are
 * refused whatever they hold (docs/integration-api.md §1.5: keys are made by root keys and people). `whileClosed`: a change that may be
 * made while the organization is closed (docs/integration-api.md §3.1).
 */
export const Access = (action: Action | null, { orgKeys = true, whileClosed = false } = {}) =>
  applyDecorators(
    declare({ kind: 'org', action, orgKeys, whileClosed }),
    ApiBearerAuth('apiKey'),
    ApiCookieAuth('session'),
    ErrorResponses(400, 401, 403, 404, 429, 503),
  );

/** An action of the whole installation: a root key, or a server administrator. */
export const RootAccess = (action: Action) =>
  applyDecorators(
    declare({ kind: 'root', action }),
    ApiBearerAuth('apiKey'),
    ApiCookieAuth('session'),
    ErrorResponses(400, 401, 403, 404, 429, 503),
  );

/** Anybody logged in, about themselves. `csrf`: the header is demanded before anything is looked at. */
export const UserAccess = ({ csrf = false } = {}) =>
  applyDecorators(
    declare({ kind: 'user', csrf }),
    ...(csrf ? [CSRF_HEADER] : []),
    ApiCookieAuth('session'),
    ErrorResponses(400, 401, 403, 429, 503),
  );

/** People and keys of any kind, about all organizations that they belong to: the answer holds what they may read of each. */
export const OwnAccess = () =>
  applyDecorators(
    declare({ kind: 'own' }),
    ApiBearerAuth('apiKey'),
    ApiCookieAuth('session'),
    ErrorResponses(400, 401, 403, 429, 503),
  );

/**
 * A site, about itself only. `direct`: the credential itself proves it, a session token does not, since a newt's travels in queries
 * (docs/agent-protocol.md rule 2). `renewing`: one that has expired does as well, for as long as it may be renewed (docs/credentials.md §2).
 */
export const SiteAccess = ({ direct = false, renewing = false } = {}) =>
  applyDecorators(
    declare({ kind: 'site', direct, renewing }),
    ApiBearerAuth('deviceKey'),
    ApiSecurity('deviceKeyHeader'),
    ApiBasicAuth('newt'),
    ...(direct ? [] : [ApiBearerAuth('sessionToken')]),
    ErrorResponses(401, 403, 429, 503),
  );

/** The same by the certificate of the connection alone, one that has expired too: what else proves a site the route refuses. */
export const SiteCertificateAccess = () =>
  applyDecorators(declare({ kind: 'site', direct: true, renewing: true }), ErrorResponses(401, 403, 429, 503));

/** Open to everybody; says why. Listed by name in test/tenancy. `csrf`: for forms that set a cookie (docs/claims.md rule 14). */
export const Public = (why: string, { csrf = false } = {}) =>
  applyDecorators(declare({ kind: 'public', why, csrf }), ...(csrf ? [CSRF_HEADER] : []));

/** Request fields that the guard fills. */
export interface GatehouseRequest extends FastifyRequest {
  principal?: Principal;
  /** The organization that the path names, once the guard has resolved it. */
  orgId?: string;
  /** performance.now() at arrival, for answers that keep a floor. */
  arrivedAt?: number;
  /** `/v1` ignores cookies (docs/claims.md rule 14). */
  viaIntegration?: boolean;
  /** In which format the whole list is asked for. */
  exportAs?: ExportFormat;
}

const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<GatehouseRequest>();

/** Parameter: the caller. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) => requestOf(context).principal!);
/** Parameter: the organization that the path names. */
export const OrgId = createParamDecorator((_: unknown, context: ExecutionContext) => requestOf(context).orgId!);
/** Parameter: the numeric id in the path; its resolver has proved that it exists in the organization. */
export const Id = createParamDecorator((name: string, context: ExecutionContext) =>
  Number((requestOf(context).params as Record<string, string>)[name]),
);

/**
 * Finds the organization of a path parameter's value; `orgId` is what the parameters before it named. `id` replaces the value (a niceId
 * becomes the number). null: no such object. `orgId: null` in the answer: an object of the installation, on `RootAccess` routes only.
 */
export type TenantResolver = (
  value: string,
  principal: Principal,
  orgId: string | undefined,
) => Promise<{ orgId: string | null; id?: number | string } | null>;

/** What the OpenAPI document says of a path parameter. */
export interface PathParameter {
  description?: string;
  schema: { type: 'string' } | { type: 'integer'; minimum: number };
}

/** Each module registers its path parameters here at init; the guard asks. A parameter without one fails architecture.spec.ts. */
@Injectable()
export class TenantResolvers {
  private readonly byName = new Map<string, { resolve: TenantResolver; documented: PathParameter }>();

  /** A parameter that is text; `description` is for the OpenAPI document. */
  register(parameter: string, resolve: TenantResolver, description?: string): void {
    const documented: PathParameter = { ...(description ? { description } : {}), schema: { type: 'string' } };
    this.byName.set(parameter, { resolve, documented });
  }

  /**
   * A parameter that is the number of a row; `orgOf` finds the organization of the row, or null; `named` is what the parameters before it
   * named. Anything else than a number is no row.
   */
  registerNumber(parameter: string, orgOf: (id: number, named: string | undefined) => Promise<string | null>): void {
    const resolve: TenantResolver = async (value, _principal, named) => {
      const id = parseId(value);
      const orgId = id === null ? null : await orgOf(id, named);
      return orgId === null ? null : { orgId };
    };
    this.byName.set(parameter, { resolve, documented: { schema: { type: 'integer', minimum: 1 } } });
  }

  get(parameter: string): TenantResolver | undefined {
    return this.byName.get(parameter)?.resolve;
  }

  documented(parameter: string): PathParameter {
    return this.byName.get(parameter)?.documented ?? { schema: { type: 'string' } };
  }

  get names(): string[] {
    return [...this.byName.keys()];
  }
}

/** A path value as a row id, or null when it is none. */
export function parseId(value: string): number | null {
  return /^[1-9]\d{0,14}$/.test(value) ? Number(value) : null;
}

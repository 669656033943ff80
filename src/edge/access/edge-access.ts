import { Injectable, Logger } from '@nestjs/common';
import { isOutage } from '#platform';
import { type EdgeAnswer, edgeAnswer } from '../http/error-pages.js';
import { ACCESS_TOKEN_PARAMETER } from '../http/own-names.js';
import { RouteLoader } from '../routing/route-loader.js';
import type { RouteSettings } from '../routing/route-table.js';
import { AccessCookies } from './access-cookies.js';
import { Assertions } from './assertions.js';
import { BasicCredentials, basicOf } from './basic-credentials.js';
import type { EdgeRequest, Granted, VisitorIdentity } from './edge-request.js';
import { LoginAttempts } from './login-attempts.js';
import { LoginForms } from './login-forms.js';
import { CHALLENGE, redirect } from './login-page.js';
import { askedPath } from './return-path.js';
import { type Facts, type Standing, Standings } from './standings.js';

export type { EdgeRequest, Granted, VisitorIdentity } from './edge-request.js';

const OPEN: Granted = { by: 'none', withoutAuthorization: false, onEnd: () => () => undefined };

/** Whether a resource asks its visitors who they are. */
const isProtected = ({ sso, password, pincode, headerAuth, whitelist }: RouteSettings['protection']): boolean =>
  sso || password || pincode || headerAuth || whitelist;

/** Who may pass to a public resource (the edge's contract, step 6; docs/edge-access.md). */
@Injectable()
export class EdgeAccess {
  private readonly logger = new Logger(EdgeAccess.name);

  constructor(
    private readonly loader: RouteLoader,
    private readonly cookies: AccessCookies,
    private readonly standings: Standings,
    private readonly basics: BasicCredentials,
    private readonly assertions: Assertions,
    private readonly forms: LoginForms,
    private readonly attempts: LoginAttempts,
  ) {}

  /** @returns at once wherever memory suffices: every request passes here */
  decide(request: EdgeRequest): Granted | EdgeAnswer | Promise<Granted | EdgeAnswer> {
    if (!isProtected(request.route.settings.protection)) return OPEN;
    // What has ended meanwhile is not heard of.
    if (this.loader.ageSeconds > 0) return this.unavailable(request);
    const hasToken = request.query.includes(`${ACCESS_TOKEN_PARAMETER}=`);
    return (hasToken ? undefined : this.remembered(request)) ?? this.guarded(request, () => this.lookUp(request));
  }

  /** Pages below `OWN_PATH`. @param body of a form, at most 16 KB */
  own(request: EdgeRequest, body: Buffer): Promise<EdgeAnswer> {
    return this.guarded(request, async () => {
      if (this.loader.ageSeconds > 0 && !this.forms.isPublic(request)) return this.unavailable(request);
      return this.forms.answer(request, body);
    });
  }

  /** Everything that this process knows already. */
  private remembered(request: EdgeRequest): Granted | EdgeAnswer | undefined {
    const { resourceId, protection } = request.route.settings;
    const tickets = this.cookies.sessions(request);
    for (const { sessionId } of tickets) {
      const standing = this.standings.heldSession(sessionId);
      if (standing?.resourceId === resourceId) return this.bySession(request, sessionId, standing);
    }
    const token = tokenInHeaders(request.rawHeaders);
    const standing = token && this.standings.heldToken(...token);
    if (token && standing?.resourceId === resourceId) return this.byToken(request, token, standing);
    const facts = this.standings.heldFacts(resourceId);
    if (!facts) return undefined;
    const basic = protection.headerAuth ? basicOf(request.rawHeaders) : undefined;
    if (basic !== undefined && this.basics.held(request, basic, facts)) return this.byBasic(request, facts);
    // Whoever shows nothing is known to have nothing.
    return tickets.length > 0 || token || basic !== undefined ? undefined : this.refuse(request, facts);
  }

  private async lookUp(request: EdgeRequest): Promise<Granted | EdgeAnswer> {
    const { resourceId, protection } = request.route.settings;
    const inQuery = tokenInQuery(request.query);
    if (inQuery) {
      const standing = await this.standings.token(...inQuery);
      if (standing?.resourceId === resourceId)
        return request.method === 'GET' ? this.exchange(request, inQuery[0]) : this.byToken(request, inQuery, standing);
      this.attempts.addOnce(request, { type: 'access_token', allowed: false }, inQuery[0]);
    }
    for (const { sessionId } of this.cookies.sessions(request)) {
      const standing = await this.standings.session(sessionId);
      if (standing?.resourceId === resourceId) return this.bySession(request, sessionId, standing);
    }
    const inHeaders = tokenInHeaders(request.rawHeaders);
    if (inHeaders) {
      const standing = await this.standings.token(...inHeaders);
      if (standing?.resourceId === resourceId) return this.byToken(request, inHeaders, standing);
      this.attempts.addOnce(request, { type: 'access_token', allowed: false }, inHeaders[0]);
    }
    const facts = await this.standings.facts(resourceId);
    if (!facts) return edgeAnswer('unknown_host', request.requestId, request.page);
    const basic = protection.headerAuth ? basicOf(request.rawHeaders) : undefined;
    if (basic !== undefined) {
      const isRight = this.basics.held(request, basic, facts) ?? (await this.basics.areRight(request, basic, facts));
      if (isRight) return this.byBasic(request, facts);
      this.attempts.addOnce(request, { type: 'header_auth', allowed: false }, this.basics.nameOf(request, basic));
    }
    return this.refuse(request, facts);
  }

  /** The link is not to stay in the address bar, in histories and in what pages tell others. */
  private async exchange(request: EdgeRequest, accessTokenId: string): Promise<EdgeAnswer> {
    const cookie = await this.forms.beginByToken(request, accessTokenId);
    this.attempts.add(request, { type: 'access_token', allowed: true });
    const path = askedPath(request.path, request.query);
    return redirect(302, `${request.scheme}://${request.host}${path}`, request.requestId, [cookie]);
  }

  private bySession(request: EdgeRequest, sessionId: string, standing: Standing): Granted {
    const { method, endsAt } = standing;
    const touch = () => this.standings.used(sessionId);
    const look = () => this.standings.session(sessionId);
    touch();
    const granted: Granted = {
      by: method,
      withoutAuthorization: false,
      onEnd: (listener) => {
        const isCurrent = this.standings.heldSession(sessionId) === standing;
        return this.standings.watch(standing, isCurrent, { endsAt, look, touch }, listener);
      },
    };
    if (standing.email !== null) granted.identity = this.identityOf(request, standing);
    return granted;
  }

  private byToken(request: EdgeRequest, token: [id: string, token: string], standing: Standing): Granted {
    this.attempts.addOnce(request, { type: 'access_token', allowed: true }, token[0]);
    const { endsAt } = standing;
    const look = () => this.standings.token(...token);
    return {
      by: 'token',
      withoutAuthorization: false,
      onEnd: (listener) => {
        const isCurrent = this.standings.heldToken(...token) === standing;
        return this.standings.watch(standing, isCurrent, { endsAt, look, touch: nothing }, listener);
      },
    };
  }

  private byBasic(request: EdgeRequest, facts: Facts): Granted {
    this.attempts.addOnce(request, { type: 'header_auth', allowed: true }, '');
    const look = async () => {
      const now = await this.standings.facts(facts.resourceId);
      return now?.headerAuthHash === facts.headerAuthHash ? FOR_EVER : null;
    };
    return {
      by: 'header',
      withoutAuthorization: true,
      onEnd: (listener) => {
        const isCurrent = this.standings.heldFacts(facts.resourceId) === facts;
        return this.standings.watch(facts, isCurrent, { ...FOR_EVER, look, touch: nothing }, listener);
      },
    };
  }

  private identityOf(request: EdgeRequest, standing: Standing): VisitorIdentity {
    const { userId, username, name, roles } = standing;
    const email = standing.email!;
    return {
      userId,
      user: username ?? email,
      email,
      name: name ?? username ?? email,
      role: roles.join(', '),
      assertion: this.assertions.of(standing, request.requestId, request.host),
    };
  }

  private refuse(request: EdgeRequest, facts: Facts): EdgeAnswer {
    if (request.page) return this.forms.loginPage(request, facts, askedPath(request.path, request.query));
    const answer = edgeAnswer('unauthenticated', request.requestId, false);
    if (this.forms.asksForBasic(request, facts)) answer.fields.push('WWW-Authenticate', CHALLENGE);
    return answer;
  }

  private unavailable(request: EdgeRequest): EdgeAnswer {
    return edgeAnswer('login_unavailable', request.requestId, request.page);
  }

  private async guarded<T>(request: EdgeRequest, work: () => Promise<T>): Promise<T | EdgeAnswer> {
    try {
      return await work();
    } catch (error) {
      if (!isOutage(error)) this.logger.error({ err: error }, 'Who a visitor is could not be found out');
      return this.unavailable(request);
    }
  }
}

const FOR_EVER = { endsAt: Number.POSITIVE_INFINITY };
const nothing = (): void => undefined;

const TOKEN_ID = /^[a-z0-9]{1,32}$/;
const MAX_TOKEN = 128;

const tokenOf = (id: string | undefined, token: string | undefined): [id: string, token: string] | undefined =>
  id && token && TOKEN_ID.test(id) && token.length <= MAX_TOKEN ? [id, token] : undefined;

/** `p_token=<id>.<token>`, as a share link has it. */
function tokenInQuery(query: string): [id: string, token: string] | undefined {
  if (!query.includes(`${ACCESS_TOKEN_PARAMETER}=`)) return undefined;
  const value = new URLSearchParams(query).get(ACCESS_TOKEN_PARAMETER) ?? '';
  const dot = value.indexOf('.');
  return dot < 0 ? undefined : tokenOf(value.slice(0, dot), value.slice(dot + 1));
}

function tokenInHeaders(rawHeaders: readonly string[]): [id: string, token: string] | undefined {
  let id: string | undefined;
  let token: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    // The first letter, before a name is made lower case for nothing.
    if ((name.charCodeAt(0) | 32) !== 112) continue;
    const lower = name.toLowerCase();
    if (lower === 'p-access-token-id') id = rawHeaders[i + 1];
    else if (lower === 'p-access-token') token = rawHeaders[i + 1];
  }
  return tokenOf(id, token);
}

import { Injectable } from '@nestjs/common';
import { AppError, Config, Db, notify, sha256 } from '#platform';
import { type EdgeAnswer, edgeAnswer } from '../http/error-pages.js';
import { OWN_PATH } from '../http/own-names.js';
import { AccessRepository, type NewSession, SESSION_SECONDS } from './access.repository.js';
import { AccessCookies } from './access-cookies.js';
import { Assertions } from './assertions.js';
import type { EdgeRequest } from './edge-request.js';
import { Guesses } from './guesses.js';
import { LoginAttempts } from './login-attempts.js';
import { type LoginProblem, loginPage, logoutPage, redirect } from './login-page.js';
import { LoginRequests } from './login-requests.js';
import { MailCodes } from './mail-codes.js';
import { returnPath } from './return-path.js';
import { SecretChecks } from './secret-checks.js';
import { type Facts, Standings, sessionTag } from './standings.js';

const MAX_SECRET = 200;
const EMAIL = /^[^\s@]{1,64}@[^\s@]{1,255}$/;
const JWKS_SECONDS = 300;

/** The pages of the edge on the hosts of resources: those that log in and out, by forms alone. */
@Injectable()
export class LoginForms {
  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly cookies: AccessCookies,
    private readonly repository: AccessRepository,
    private readonly standings: Standings,
    private readonly guesses: Guesses,
    private readonly checks: SecretChecks,
    private readonly codes: MailCodes,
    private readonly requests: LoginRequests,
    private readonly assertions: Assertions,
    private readonly attempts: LoginAttempts,
  ) {}

  /** Whether it says nothing of a visitor. */
  isPublic({ path }: EdgeRequest): boolean {
    return path === `${OWN_PATH}jwks`;
  }

  async answer(request: EdgeRequest, body: Buffer): Promise<EdgeAnswer> {
    const facts = await this.standings.facts(request.route.settings.resourceId);
    if (!facts) return edgeAnswer('unknown_host', request.requestId, request.page);
    const page = request.path.slice(OWN_PATH.length);
    if (request.method === 'GET' || request.method === 'HEAD') return this.show(request, facts, page);
    if (request.method !== 'POST') return edgeAnswer('method_not_allowed', request.requestId, request.page);
    if (isFromElsewhere(request)) return edgeAnswer('forbidden', request.requestId, true);
    return this.submit(request, facts, page, new URLSearchParams(body.toString()));
  }

  /** The page on which one logs in. */
  loginPage(
    request: EdgeRequest,
    facts: Facts,
    to: string,
    more: { problem?: LoginProblem; mailedTo?: string } = {},
    cookies: string[] = [],
  ): EdgeAnswer {
    const dashboard = this.config.http.publicUrl.origin;
    const challenge = this.asksForBasic(request, facts);
    return loginPage(request, { organization: facts.orgName, to, dashboard, challenge, ...more }, cookies);
  }

  /** Whether who shows nothing is asked for `Basic`: where a resource wants that, and where there is nothing else that it takes. */
  asksForBasic({ route }: EdgeRequest, { headerAuthExtended }: Facts): boolean {
    const { sso, password, pincode, whitelist, headerAuth } = route.settings.protection;
    return headerAuth && (headerAuthExtended || !(sso || password || pincode || whitelist));
  }

  /** @returns the cookie of a session that a token has begun */
  async beginByToken(request: EdgeRequest, accessTokenId: string): Promise<string> {
    const seconds = await this.repository.tokenSessionSeconds(this.db.manager, accessTokenId);
    return this.begin(request, { method: 'token', accessTokenId, seconds });
  }

  private async show(request: EdgeRequest, facts: Facts, page: string): Promise<EdgeAnswer> {
    switch (page) {
      case 'jwks':
        return jwksAnswer(this.assertions.jwks(facts.orgUid), request.requestId);
      case 'callback':
        return this.finishSso(request, facts);
      case 'logout':
        return logoutPage(request, facts.orgName);
      case 'login':
        return this.loginPage(request, facts, returnPath(new URLSearchParams(request.query).get('to')));
      default:
        // A form that is loaded again.
        if (page === 'sso' || page.startsWith('login/')) return this.goTo(request, `${OWN_PATH}login`);
        return edgeAnswer('not_found', request.requestId, request.page);
    }
  }

  private async submit(request: EdgeRequest, facts: Facts, page: string, form: URLSearchParams): Promise<EdgeAnswer> {
    const to = returnPath(form.get('to'));
    const { protection } = request.route.settings;
    switch (page) {
      case 'sso':
        return protection.sso ? this.beginSso(request, to) : this.loginPage(request, facts, to);
      case 'login/password':
        return this.bySecret(request, facts, to, 'password', facts.passwordHash, form.get('secret') ?? '');
      case 'login/pincode':
        return this.bySecret(request, facts, to, 'pincode', facts.pincodeHash, form.get('secret') ?? '');
      case 'login/email':
        return protection.whitelist ? this.mailCode(request, facts, to, form) : this.loginPage(request, facts, to);
      case 'login/code':
        return protection.whitelist ? this.byCode(request, facts, to, form) : this.loginPage(request, facts, to);
      case 'logout':
        return this.logOut(request, facts);
      default:
        return edgeAnswer('not_found', request.requestId, request.page);
    }
  }

  private async bySecret(
    request: EdgeRequest,
    facts: Facts,
    to: string,
    method: 'password' | 'pincode',
    stored: string | null,
    secret: string,
  ): Promise<EdgeAnswer> {
    if (stored === null) return this.loginPage(request, facts, to);
    const problem = await this.problemWith(request, stored, secret);
    if (problem) {
      this.attempts.add(request, { type: method, allowed: false });
      return this.loginPage(request, facts, to, { problem });
    }
    // Of a secret that was changed meanwhile the session ends before it is used.
    const answer = await this.letIn(request, to, { method, secret: sha256(stored) });
    this.attempts.add(request, { type: method, allowed: true });
    return answer;
  }

  /** @returns nothing where the secret is right */
  private async problemWith(request: EdgeRequest, stored: string, secret: string): Promise<LoginProblem | undefined> {
    const guess = await this.guesses.begin(request, this.cookies.knownBrowser(request));
    if (!guess) return 'too_many';
    try {
      const isRight = secret.length <= MAX_SECRET && (await this.checks.isRight(request, secret, stored, guess));
      return isRight ? undefined : 'wrong';
    } catch (error) {
      return problemOf(error);
    }
  }

  private mailCode(request: EdgeRequest, facts: Facts, to: string, form: URLSearchParams): EdgeAnswer {
    const email = (form.get('email') ?? '').trim().toLowerCase();
    if (!EMAIL.test(email)) return this.loginPage(request, facts, to, { problem: 'no_address' });
    if (!this.codes.isPossible) return this.loginPage(request, facts, to, { problem: 'no_mail' });
    try {
      const codeId = this.codes.request(request, email);
      return this.loginPage(request, facts, to, { mailedTo: email }, [this.cookies.setMailCode(request, codeId)]);
    } catch (error) {
      return this.loginPage(request, facts, to, { problem: problemOf(error) });
    }
  }

  private async byCode(request: EdgeRequest, facts: Facts, to: string, form: URLSearchParams): Promise<EdgeAnswer> {
    const again = (problem: LoginProblem) => {
      this.attempts.add(request, { type: 'whitelist', allowed: false });
      return this.loginPage(request, facts, to, { problem, mailedTo: form.get('email') ?? '' });
    };
    const guess = await this.guesses.begin(request, this.cookies.knownBrowser(request));
    if (!guess) return again('too_many');
    const found = await this.codes.find(request, this.cookies.mailCodes(request), form.get('code') ?? '');
    if (!found) return again('wrong');
    await this.guesses.wasNone(guess);
    const { codeId, email } = found;
    const cookie = await this.db.tx(async (tx) => {
      if (!(await this.repository.spendMailCode(tx, codeId))) return undefined;
      return this.beginIn(tx, request, { method: 'whitelist', email });
    });
    if (cookie === undefined) return again('wrong');
    this.attempts.add(request, { type: 'whitelist', allowed: true, user: { id: email, name: email } });
    return this.goTo(request, this.after(request, to), this.known(request, cookie));
  }

  private beginSso(request: EdgeRequest, to: string): EdgeAnswer {
    const { state, cookie } = this.cookies.loginState(request);
    const asked = this.requests.sign({
      resourceId: request.route.settings.resourceId,
      origin: originOf(request),
      state: sha256(state).toString('base64url'),
      returnPath: to,
    });
    // Behind `#`, which no browser sends: no log of a proxy has it.
    const dashboard = `${this.config.http.publicUrl.origin}/resource-login#request=${asked}`;
    return redirect(303, dashboard, request.requestId, [cookie]);
  }

  private async finishSso(request: EdgeRequest, facts: Facts): Promise<EdgeAnswer> {
    const code = new URLSearchParams(request.query).get('code') ?? '';
    const stateHashes = this.cookies.loginStates(request).map((state) => sha256(state));
    const where = { resourceId: facts.resourceId, origin: originOf(request), stateHashes };
    const begun = await this.db.tx(async (tx) => {
      const spent = await this.repository.spendLoginCode(tx, sha256(code), where);
      if (!spent) return undefined;
      const cookie = await this.beginIn(tx, request, { method: 'sso', loginSessionId: spent.loginSessionId });
      const user = { id: spent.userId, name: spent.email };
      return { cookie, user, to: returnPath(spent.returnPath) };
    });
    this.attempts.add(request, { type: 'sso', allowed: begun !== undefined, user: begun?.user });
    if (!begun) return this.loginPage(request, facts, '/', { problem: 'ended' });
    return this.goTo(request, this.after(request, begun.to), [begun.cookie], 302);
  }

  private async logOut(request: EdgeRequest, facts: Facts): Promise<EdgeAnswer> {
    const sessionIds = this.cookies.sessions(request).map(({ sessionId }) => sessionId);
    if (sessionIds.length > 0)
      await this.db.tx(async (tx) => {
        await this.repository.end(tx, sessionIds);
        for (const sessionId of sessionIds) await notify(tx, 'access_changed', sessionTag(sessionId));
      });
    return logoutPage(request, facts.orgName, [this.cookies.endSession(request)]);
  }

  private async letIn(
    request: EdgeRequest,
    to: string,
    session: Pick<NewSession, 'method' | 'secret'>,
  ): Promise<EdgeAnswer> {
    const cookie = await this.begin(request, session);
    return this.goTo(request, this.after(request, to), this.known(request, cookie));
  }

  private known(request: EdgeRequest, cookie: string): string[] {
    return [cookie, this.cookies.setKnownBrowser(request, this.cookies.knownBrowser(request))];
  }

  private begin(request: EdgeRequest, session: Begun): Promise<string> {
    return this.beginIn(this.db.manager, request, session);
  }

  private async beginIn(tx: Db['manager'], request: EdgeRequest, session: Begun): Promise<string> {
    const { resourceId } = request.route.settings;
    const { sessionId, issuedAt } = await this.repository.begin(tx, {
      seconds: SESSION_SECONDS,
      ...session,
      resourceId,
    });
    const loginSessionId = session.loginSessionId ?? '';
    return this.cookies.setSession(request, { sessionId, method: session.method, loginSessionId, issuedAt });
  }

  /** The resource may say where everybody begins. */
  private after({ route }: EdgeRequest, to: string): string {
    return route.settings.postAuthPath ? returnPath(route.settings.postAuthPath) : to;
  }

  private goTo(request: EdgeRequest, path: string, cookies: string[] = [], status: 302 | 303 = 303): EdgeAnswer {
    return redirect(status, originOf(request) + path, request.requestId, cookies);
  }
}

type Begun = Omit<NewSession, 'resourceId' | 'seconds'> & { seconds?: number };

const originOf = ({ scheme, host }: EdgeRequest): string => `${scheme}://${host}`;

/** Whether a page of another host sent this form: browsers say so. */
function isFromElsewhere(request: EdgeRequest): boolean {
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const [name, value] = [request.rawHeaders[i]!.toLowerCase(), request.rawHeaders[i + 1]!];
    if (name === 'origin' && value.toLowerCase() !== originOf(request).toLowerCase()) return true;
    if (name === 'sec-fetch-site' && value !== 'same-origin' && value !== 'none') return true;
  }
  return false;
}

/** @throws what is no refusal */
function problemOf(error: unknown): LoginProblem {
  if (error instanceof AppError && error.code === 'capacity') return 'busy';
  if (error instanceof AppError && error.code === 'rate_limited') return 'too_many';
  throw error;
}

function jwksAnswer(jwks: object, requestId: string): EdgeAnswer {
  const body = Buffer.from(JSON.stringify(jwks));
  return {
    status: 200,
    fields: [
      ...['Content-Type', 'application/json', 'Content-Length', String(body.length)],
      ...[
        'Cache-Control',
        `public, max-age=${JWKS_SECONDS}`,
        'X-Content-Type-Options',
        'nosniff',
        'X-Request-Id',
        requestId,
      ],
    ],
    body,
  };
}

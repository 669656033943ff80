import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Config, trustedProxies } from '#platform';
import { EdgeAccess, type EdgeRequest, type Granted } from '../access/edge-access.js';
import { type EdgeAnswer, type EdgeCode, edgeAnswer, type PageTexts, wantsPage } from '../http/error-pages.js';
import { fieldOf } from '../http/fields.js';
import { isRequestId } from '../http/forwarded-fields.js';
import { OWN_PATH } from '../http/own-names.js';
import type { RequestProblem } from '../http/request-checks.js';
import { newRequestId } from '../http/request-ids.js';
import type { RequestEntry } from '../logs/entries.js';
import { RequestLog } from '../logs/request-log.js';
import { clientAddress, forwardedScheme } from '../policy/client-address.js';
import { Geography } from '../policy/geography.js';
import { Visitor } from '../policy/rules.js';
import type { Host } from '../routing/host-table.js';
import { parsePath } from '../routing/path.js';
import { RouteLoader } from '../routing/route-loader.js';
import { type Route, type RouteSettings, RouteTable } from '../routing/route-table.js';
import type { StoredTarget } from '../routing/targets.js';
import type { CallEnd, EdgeCall, KnownCall } from './edge-call.js';
import { EdgeCertificates } from './edge-certificates.js';
import { readForm } from './form-body.js';
import { type Admission, Forwarder } from './forwarder.js';
import type { Reply } from './reply.js';
import { TargetDialer } from './target-dialer.js';

/** Never a target's, on every host of a resource. */
const ACME_PATHS = '/.well-known/acme-challenge/';

const PROBLEMS: Record<RequestProblem['status'], EdgeCode> = {
  400: 'bad_request',
  405: 'method_not_allowed',
  414: 'uri_too_long',
  431: 'too_many_fields',
};

/** Decides about each request to the edge, in the order of the edge's contract, without a query. */
@Injectable()
export class EdgeHandler {
  private readonly logger = new Logger(EdgeHandler.name);
  private readonly trusts: (address: string) => boolean;
  private readonly trustsAny: boolean;
  private readonly staleSeconds: number;
  private readonly tlsPort: number | undefined;

  constructor(
    private readonly table: RouteTable,
    private readonly loader: RouteLoader,
    private readonly geography: Geography,
    private readonly dialer: TargetDialer,
    private readonly forwarder: Forwarder,
    private readonly access: EdgeAccess,
    private readonly log: RequestLog,
    private readonly certificates: EdgeCertificates,
    config: Config,
  ) {
    this.trusts = trustedProxies(config);
    this.trustsAny = config.http.trustProxy.length > 0;
    this.staleSeconds = config.edge.staleSeconds;
    this.tlsPort = config.edge.tlsPort;
  }

  /** Answers a request that has one reading. */
  handle(call: EdgeCall): void {
    try {
      this.decide(call);
    } catch (error) {
      this.failed(call.reply, error);
    }
  }

  private later(known: KnownCall, work: Promise<void>): void {
    work.catch((error: unknown) => this.failed(known.call.reply, error));
  }

  private failed(reply: Reply, error: unknown): void {
    this.logger.error({ err: error }, 'A request to the edge could not be answered');
    refuseWith(reply, 'bad_gateway', randomUUID(), false);
  }

  /** Answers what is no request, or none that is taken; a connection on which it came is not read on. */
  problem(reply: Reply, { status }: RequestProblem): void {
    const answer = edgeAnswer(PROBLEMS[status], randomUUID(), false);
    answerWith(reply, { ...answer, fields: [...answer.fields, 'Connection', 'close'] });
  }

  private decide(call: EdgeCall): void {
    const { checked, peer, rawHeaders } = call;
    const { client, trusted } = this.trustsAny
      ? clientAddress(peer.address, rawHeaders, this.trusts)
      : { client: peer.address, trusted: false };
    const scheme = trusted ? (forwardedScheme(rawHeaders) ?? call.scheme) : call.scheme;
    const requestId = requestIdOf(rawHeaders, trusted);
    const page = wantsPage(checked.method, fieldOf(rawHeaders, 'accept'));
    const came = performance.now();
    const host = hostText(checked.host);
    const path = parsePath(checked.target);
    const route = this.table.find(checked.host.name);
    if (!path || !route) {
      const code = !path ? 'bad_request' : this.loader.isLoaded ? 'unknown_host' : 'stale';
      const end = refuseWith(call.reply, code, requestId, page);
      return this.log.record(entryOf({ call, scheme, requestId, client, came, decidedBy: null, user: null }, end));
    }
    const known: KnownCall = {
      call,
      scheme,
      requestId,
      client,
      trusted,
      host,
      path,
      route,
      page,
      came,
      decidedBy: null,
      user: null,
    };
    const refuse = (code: EdgeCode, texts?: PageTexts) => this.refuse(known, code, texts);
    const { settings } = route;
    if (path.path.startsWith(ACME_PATHS)) return refuse('not_found');
    if (settings.ssl && scheme === 'http' && this.isServedSecurely(known)) return this.redirectToTls(known);
    if (path.path.startsWith(OWN_PATH)) return this.later(known, this.answerOwn(known));
    if (this.loader.ageSeconds > Math.min(this.staleSeconds, settings.staleSeconds ?? Infinity)) return refuse('stale');
    if (settings.blockAccess) return refuse('forbidden');
    if (this.isDown(route)) return refuse('maintenance', textsOf(settings));
    if (path.ambiguous && (route.rules.decidesByPath || route.targets.decidesByPath)) return refuse('bad_request');
    const verdict = route.rules.judge(this.visitorOf(known), path.path);
    if (verdict && verdict.action !== 'PASS') known.decidedBy = { ruleId: verdict.ruleId };
    if (verdict?.action === 'DROP') return refuse('forbidden');
    if (verdict?.action === 'ACCEPT') return this.forward(known, ACCEPTED);
    const decision = this.access.decide(requestOf(known));
    if (decision instanceof Promise)
      this.later(
        known,
        decision.then((late) => this.follow(known, late)),
      );
    else this.follow(known, decision);
  }

  /** What a login decided; it never fails, and may take its time. */
  private follow(known: KnownCall, decision: Granted | EdgeAnswer): void {
    if ('status' in decision) return this.answer(known, decision);
    const { by, identity } = decision;
    known.decidedBy = { authentication: LOGGED[by] };
    if (identity) known.user = { id: identity.userId ?? identity.email, name: identity.email };
    this.forward(known, decision);
  }

  /** Pages of the login. */
  private async answerOwn(known: KnownCall): Promise<void> {
    const body = await readForm(known.call);
    if (!body) return this.refuse(known, 'bad_request');
    this.answer(known, await this.access.own(requestOf(known), body));
  }

  private forward(known: KnownCall, admission: Admission): void {
    this.forwarder.forward(known, admission, (end) => {
      if ('failed' in end) this.refuse(known, end.failed, undefined, end.target);
      else this.log.record(entryOf(known, end, this.geography.country(known.client)));
    });
  }

  private answer(known: KnownCall, answer: EdgeAnswer): void {
    answerWith(known.call.reply, answer);
    const { status, body } = answer;
    const end = {
      status,
      code: CODES[status] ?? null,
      targetId: null,
      siteId: null,
      bytesIn: 0,
      bytesOut: body.length,
    };
    this.log.record(entryOf(known, end, this.geography.country(known.client)));
  }

  /** Whether its maintenance page is shown. */
  private isDown(route: Route): boolean {
    const { maintenance } = route.settings;
    if (!maintenance) return false;
    return maintenance.type === 'forced' || !route.targets.isAnyAvailable(this.dialer.statesOf(route));
  }

  /** Whether this process can answer for the name over TLS. */
  private isServedSecurely({ call, trusted }: KnownCall): boolean {
    return this.tlsPort !== undefined && !trusted && this.certificates.contextOf(call.checked.host.name) !== undefined;
  }

  private redirectToTls(known: KnownCall): void {
    const { host } = known.call.checked;
    const port = this.tlsPort === 443 ? undefined : this.tlsPort;
    const location = `https://${hostText({ ...host, port })}${known.call.checked.target}`;
    known.call.reply.head(308, '', ['Location', location, 'Content-Length', '0', 'Cache-Control', 'no-store'], 0);
    known.call.reply.end([]);
    const end = { status: 308, code: null, targetId: null, siteId: null, bytesIn: 0, bytesOut: 0 };
    this.log.record(entryOf(known, end));
  }

  private visitorOf({ client, call: { peer } }: KnownCall): Visitor {
    if (client !== peer.address) return new Visitor(client, this.geography);
    return (peer.visitor ??= new Visitor(client, this.geography));
  }

  private refuse(known: KnownCall, code: EdgeCode, texts?: PageTexts, target?: StoredTarget): void {
    const end = refuseWith(known.call.reply, code, known.requestId, known.page, texts);
    const to = { targetId: target?.targetId ?? null, siteId: target?.siteId ?? null };
    this.log.record(entryOf(known, { ...end, ...to }, this.geography.country(known.client)));
  }
}

/** Answers with a page or JSON of ours. */
function refuseWith(reply: Reply, code: EdgeCode, requestId: string, page: boolean, texts?: PageTexts): CallEnd {
  const answer = edgeAnswer(code, requestId, page, texts);
  answerWith(reply, answer);
  return { status: answer.status, code, targetId: null, siteId: null, bytesIn: 0, bytesOut: answer.body.length };
}

function answerWith(reply: Reply, { status, fields, body }: EdgeAnswer): void {
  if (reply.begun) return reply.cut();
  reply.head(status, '', fields, body.length);
  reply.body(body);
  reply.end([]);
}

/** A rule let it in: whoever it is. */
const ACCEPTED: Admission = { withoutAuthorization: false };

/** Of answers that say who somebody is not. */
const CODES: Partial<Record<number, EdgeCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  503: 'login_unavailable',
};

/** As the request log calls them. */
const LOGGED = {
  none: 'none',
  sso: 'sso',
  password: 'password',
  pincode: 'pincode',
  header: 'header_auth',
  whitelist: 'whitelist',
  token: 'access_token',
} as const satisfies Record<Granted['by'], string>;

const requestOf = ({ call, route, scheme, host, path, client, requestId, page }: KnownCall): EdgeRequest => ({
  route,
  scheme,
  host,
  method: call.checked.method,
  path: path.path,
  query: path.query,
  rawHeaders: call.rawHeaders,
  client,
  requestId,
  page,
});

function entryOf(
  known: Pick<KnownCall, 'call' | 'scheme' | 'requestId' | 'client' | 'came' | 'decidedBy' | 'user'> & {
    route?: Route;
  },
  { status, code, targetId, siteId, bytesIn, bytesOut }: CallEnd,
  country?: string,
): RequestEntry {
  const { call, scheme, requestId, client, came, decidedBy, user, route } = known;
  const durationMs = performance.now() - came;
  return {
    time: Date.now() - durationMs,
    requestId,
    resourceId: route?.settings.resourceId ?? null,
    orgId: route?.settings.orgId ?? null,
    host: call.checked.host.name,
    method: call.checked.method,
    path: call.checked.target,
    scheme,
    status,
    code,
    bytesIn,
    bytesOut,
    durationMs,
    address: client,
    user,
    decidedBy,
    targetId,
    siteId,
    userAgent: fieldOf(call.rawHeaders, 'user-agent') ?? null,
    tls: scheme === 'https',
    country: country ?? null,
  };
}

function requestIdOf(rawHeaders: readonly string[], trusted: boolean): string {
  const given = trusted ? fieldOf(rawHeaders, 'x-request-id') : undefined;
  return given !== undefined && isRequestId(given) ? given : newRequestId();
}

function hostText({ name, port }: Host): string {
  const host = name.includes(':') ? `[${name}]` : name;
  return port === undefined ? host : `${host}:${port}`;
}

const textsOf = ({ maintenance }: RouteSettings): PageTexts => ({
  title: maintenance!.title,
  message: maintenance!.message,
  estimate: maintenance!.estimatedTime,
});

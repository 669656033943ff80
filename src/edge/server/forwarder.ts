import { Injectable } from '@nestjs/common';
import { Bag, KeyRing } from '#platform';
import { ConnectRefusal } from '../dialing/target-stream.js';
import { cookiesNamed, hostCookieName, setCookie } from '../http/cookies.js';
import type { EdgeCode } from '../http/error-pages.js';
import {
  compileHeaderRules,
  type Forwarding,
  type HeaderRules,
  type Identity,
  requestFields,
} from '../http/forwarded-fields.js';
import { STICKY_COOKIE } from '../http/own-names.js';
import { UnwritableRequest } from '../http/request-writer.js';
import type { Fields } from '../http/response-head.js';
import type { RouteSettings } from '../routing/route-table.js';
import { isIdempotent, mayTryNext, type StoredTarget, stickyValue, type TargetStates } from '../routing/targets.js';
import type { CallEnd, KnownCall } from './edge-call.js';
import { Exchange, type ExchangeEnd } from './exchange.js';
import type { Line, OutgoingRequest } from './line.js';
import { TargetDialer } from './target-dialer.js';

/** Targets that one request may be sent to. */
const MAX_TARGETS = 3;
/** Times that one request is sent again because the way to a site was lost. */
const MAX_DETOURS = 3;

/** The visitor left before there was an answer. */
const GONE = { status: 499, code: null, bytesIn: 0, bytesOut: 0 };

/** Who asks, as far as a login found out. */
export interface Admission {
  identity?: Identity;
  withoutAuthorization: boolean;
  /** Calls once when what let this in has ended. @returns forgets the listener */
  onEnd?(listener: () => void): () => void;
}

/** A call on its way to targets. */
interface Trip {
  known: KnownCall;
  admission: Admission;
  states: TargetStates;
  tried: number[];
  detours: number;
  wish: ((targetId: number) => boolean) | undefined;
  /** What is under way. */
  current: { stop(): void } | undefined;
  /** What let the visitor in is over. */
  stopped: boolean;
  over(end: CallEnd | { failed: EdgeCode; target?: StoredTarget }): void;
}

/** Brings requests to targets and answers back (the edge's contract, steps 7 and 8). */
@Injectable()
export class Forwarder {
  private stickyMac: Buffer | undefined;
  private readonly exchanges = new Bag<Exchange>();
  private readonly rules = new WeakMap<RouteSettings, { rules: HeaderRules | undefined }>();

  constructor(
    private readonly dialer: TargetDialer,
    private readonly keys: KeyRing,
  ) {}

  /** Made when it is first needed: a server that holds two master keys learns from the database which one it writes under. */
  private get stickyKey(): Buffer {
    return (this.stickyMac ??= this.keys.mac('sticky-target', ''));
  }

  /** Exchanges that are under way. */
  get size(): number {
    return this.exchanges.size;
  }

  /** @param over called once: with what was answered, or with the code of what is to be answered. */
  forward(known: KnownCall, admission: Admission, over: Trip['over']): void {
    const states = this.dialer.statesOf(known.route);
    const wish = this.wishOf(known);
    const trip: Trip = {
      known,
      admission,
      states,
      tried: [],
      detours: 0,
      wish,
      current: undefined,
      stopped: false,
      over,
    };
    if (admission.onEnd) {
      const forget = admission.onEnd(() => {
        trip.stopped = true;
        trip.current?.stop();
      });
      trip.over = (end) => {
        forget();
        over(end);
      };
    }
    this.attempt(trip);
  }

  /** Ends what has taken too long. */
  look(now = performance.now()): void {
    for (const exchange of this.exchanges.values()) exchange.look(now);
  }

  private attempt(trip: Trip): void {
    const { known, states, tried, wish } = trip;
    const target = known.route.targets.choose(known.path.path, states, tried, wish);
    if (typeof target === 'string') trip.over({ failed: target });
    else this.send(trip, target);
  }

  private send(trip: Trip, target: StoredTarget, anew = false): void {
    const { call, route } = trip.known;
    if (trip.stopped) return trip.over({ failed: 'unauthenticated' });
    if (call.reply.isGone) return trip.over({ ...GONE, targetId: target.targetId, siteId: target.siteId });
    const repeatable = isIdempotent(call.checked.method) && call.websocketKey === undefined;
    let request: OutgoingRequest | undefined;
    let line: Line | undefined;
    try {
      request = this.requestOf(trip, target);
      line = request && this.dialer.line(route, target, request, repeatable, anew);
    } catch (error) {
      if (error instanceof UnwritableRequest) return trip.over({ failed: 'bad_request', target });
      if (!(error instanceof ConnectRefusal)) throw error;
    }
    if (!request) return trip.over({ failed: 'bad_gateway', target });
    if (!line) return this.next(trip, target, 'site_offline', true, 0);
    const on = line;
    const terms = {
      responseMs: route.settings.responseTimeoutSeconds * 1000,
      answerFields: this.stickyFields(trip, target),
    };
    const exchange: Exchange = new Exchange(on, request, terms, call.reply, (end) => {
      this.exchanges.delete(exchange);
      this.settled(trip, target, exchange, on, end);
    });
    this.exchanges.add(exchange);
    trip.current = exchange;
    exchange.start();
  }

  private settled(trip: Trip, target: StoredTarget, exchange: Exchange, line: Line, end: ExchangeEnd): void {
    const done = (status: number, code: EdgeCode | null = null, bytes = { in: 0, out: 0 }) =>
      trip.over({
        status,
        code,
        targetId: target.targetId,
        siteId: target.siteId,
        bytesIn: exchange.bodyBytesSent + bytes.in,
        bytesOut: trip.known.call.reply.bytes + bytes.out,
      });
    switch (end.how) {
      case 'whole':
        return done(exchange.status);
      case 'upgraded':
        trip.current = trip.known.call.join!(end.head, end.rest, line.link!, (bytes) => done(101, null, bytes));
        return;
      case 'cut':
        return done(exchange.status, 'bad_gateway');
      case 'gone':
        return done(exchange.status || GONE.status);
      case 'failed': {
        // The target had ended an idle link, or was doing so: this says nothing about its health.
        const stale = line.used && end.silent && !end.refused;
        // Nor does a way that was lost, where another one leads there.
        const detour = end.lost && trip.detours < MAX_DETOURS && trip.states.isOnline(target.siteId);
        const { method } = trip.known.call.checked;
        if ((stale || detour) && mayTryNext({ method, bodyBytesSent: exchange.bodyBytesSent, refused: end.refused })) {
          if (detour) trip.detours++;
          return this.send(trip, target, true);
        }
        return this.next(
          trip,
          target,
          end.code,
          end.refused,
          exchange.bodyBytesSent,
          end.code === 'timeout' && !end.refused,
        );
      }
    }
  }

  /** The next target, where there may be one. */
  private next(
    trip: Trip,
    target: StoredTarget,
    code: EdgeCode,
    refused: boolean,
    bodyBytesSent: number,
    waited = false,
  ): void {
    trip.tried.push(target.targetId);
    const may =
      !waited &&
      trip.tried.length < MAX_TARGETS &&
      mayTryNext({ method: trip.known.call.checked.method, bodyBytesSent, refused });
    const { known, states, tried } = trip;
    const other = may && known.route.targets.choose(known.path.path, states, tried);
    if (other && typeof other !== 'string') this.send(trip, other);
    else trip.over({ failed: code, target });
  }

  /** @returns undefined where a rewrite makes no path */
  private requestOf(trip: Trip, target: StoredTarget): OutgoingRequest | undefined {
    const { known, admission } = trip;
    const { call, route, path, scheme } = known;
    const { checked, body, websocketKey } = call;
    const to = route.targets.rewrite(target, path.path, path.query);
    if (to === undefined) return undefined;
    const forwarding: Forwarding = {
      peer: call.peer.address,
      client: known.client,
      trusted: known.trusted,
      scheme,
      host: known.host,
      port: checked.host.port ?? (scheme === 'https' ? 443 : 80),
      requestId: known.requestId,
      body: body?.length,
      websocketKey,
      identity: admission.identity,
      withoutAuthorization: admission.withoutAuthorization,
      setHostHeader: route.settings.setHostHeader,
      rules: this.rulesOf(route.settings),
    };
    const method = checked.websocket ? 'GET' : checked.method;
    return { method, target: to, fields: requestFields(call.rawHeaders, forwarding), body, websocketKey };
  }

  private rulesOf(settings: RouteSettings): HeaderRules | undefined {
    if (!settings.headers) return undefined;
    let known = this.rules.get(settings);
    if (!known) this.rules.set(settings, (known = { rules: compileHeaderRules(settings.headers) }));
    return known.rules;
  }

  private wishOf({ route, call, scheme }: KnownCall): Trip['wish'] {
    const { stickySession, resourceId } = route.settings;
    if (!stickySession) return undefined;
    const values = cookiesNamed(call.rawHeaders, hostCookieName(STICKY_COOKIE, scheme === 'https'));
    if (values.length === 0) return undefined;
    return (targetId) => values.includes(stickyValue(this.stickyKey, resourceId, targetId));
  }

  private stickyFields({ known, wish }: Trip, { targetId }: StoredTarget): Fields {
    const { stickySession, resourceId } = known.route.settings;
    if (!stickySession || wish?.(targetId)) return [];
    return [
      'Set-Cookie',
      setCookie(STICKY_COOKIE, stickyValue(this.stickyKey, resourceId, targetId), known.scheme === 'https'),
    ];
  }
}

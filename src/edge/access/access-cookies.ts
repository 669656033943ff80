import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { atMost, KeyRing } from '#platform';
import { cookiesNamed, hostCookieName, setCookie } from '../http/cookies.js';
import {
  KNOWN_BROWSER_COOKIE,
  LOGIN_STATE_COOKIE,
  MAIL_CODE_COOKIE,
  RESOURCE_SESSION_COOKIE,
} from '../http/own-names.js';
import { parseHost } from '../routing/host-table.js';
import { type LoginMethod, SESSION_SECONDS } from './access.repository.js';
import type { EdgeRequest } from './edge-request.js';

/** Hosts above may have set others by our names; more than these are not looked at. */
const VALUES = 8;
/** The longest that browsers keep a cookie. */
const KNOWN_SECONDS = 400 * 86_400;
const STEP_SECONDS = 600;
/** Tickets that are remembered, some 600 bytes each. */
const PROVEN = 20_000;

const METHODS: Record<string, LoginMethod> = { s: 'sso', p: 'password', c: 'pincode', w: 'whitelist', t: 'token' };
const LETTERS = new Map(Object.entries(METHODS).map(([letter, method]) => [method, letter]));

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const RANDOM = /^[\w-]{43}$/;

type Asked = Pick<EdgeRequest, 'host' | 'scheme' | 'rawHeaders'> & {
  route: { settings: Pick<EdgeRequest['route']['settings'], 'resourceId'> };
};

/** What a session cookie says, once it is known to be ours. */
export interface SessionTicket {
  sessionId: string;
  method: LoginMethod;
  /** Of the dashboard; '' where none is behind it. */
  loginSessionId: string;
  /** Seconds since 1970. */
  issuedAt: number;
}

/** Cookies of the edge on the hosts of resources. Each is good at the host and the resource that it was set for, and nowhere else. */
@Injectable()
export class AccessCookies {
  /** Tickets whose MAC was right, by all that it is over: a browser shows the same one with each request. */
  private readonly proven = new LRUCache<string, SessionTicket>(atMost(PROVEN));

  constructor(private readonly keys: KeyRing) {}

  /** `session.method.login session.time.mac`, the MAC over these, host and resource. */
  setSession(asked: Asked, ticket: SessionTicket): string {
    const text = `${ticket.sessionId}.${LETTERS.get(ticket.method)}.${ticket.loginSessionId}.${ticket.issuedAt.toString(36)}`;
    const mac = this.keys.mac('resource-session', about(asked, text)).toString('base64url');
    return setCookie(RESOURCE_SESSION_COOKIE, `${text}.${mac}`, asked.scheme === 'https', SESSION_SECONDS);
  }

  endSession(asked: Asked): string {
    return setCookie(RESOURCE_SESSION_COOKIE, '', asked.scheme === 'https', 0);
  }

  /** The sessions that a request shows: any of them may be the good one. @param now in milliseconds */
  sessions(asked: Asked, now: number = Date.now()): SessionTicket[] {
    const values = cookiesOf(asked, RESOURCE_SESSION_COOKIE);
    return values.length === 0 ? [] : values.flatMap((value) => this.ticketOf(asked, value, now) ?? []);
  }

  private ticketOf(asked: Asked, value: string, now: number): SessionTicket | undefined {
    const whole = about(asked, value);
    let ticket = this.proven.get(whole);
    if (!ticket) {
      ticket = this.readTicket(asked, value);
      if (ticket) this.proven.set(whole, ticket);
    }
    return ticket && now / 1000 < ticket.issuedAt + SESSION_SECONDS ? ticket : undefined;
  }

  private readTicket(asked: Asked, value: string): SessionTicket | undefined {
    const parts = value.split('.');
    if (parts.length !== 5) return undefined;
    const [sessionId, letter, loginSessionId, time, mac] = parts as [string, string, string, string, string];
    const method = METHODS[letter];
    const issuedAt = Number.parseInt(time, 36);
    // One spelling of the MAC: what is remembered under its text has to be short, and one for a ticket.
    if (!UUID.test(sessionId) || !method || !RANDOM.test(mac)) return undefined;
    const text = value.slice(0, -mac.length - 1);
    if (!this.keys.isMac('resource-session', about(asked, text), Buffer.from(mac, 'base64url'))) return undefined;
    return { sessionId, method, loginSessionId, issuedAt };
  }

  /** Says for long that this browser was right once: it is believed while strangers guess. */
  setKnownBrowser(asked: Asked, id: string = randomBytes(16).toString('base64url')): string {
    const mac = this.keys.mac('known-browser', about(asked, id)).toString('base64url');
    return setCookie(KNOWN_BROWSER_COOKIE, `${id}.${mac}`, asked.scheme === 'https', KNOWN_SECONDS);
  }

  /** @returns its id */
  knownBrowser(asked: Asked): string | undefined {
    for (const value of cookiesOf(asked, KNOWN_BROWSER_COOKIE)) {
      const [id = '', mac = ''] = value.split('.', 2);
      if (id.length === 22 && this.keys.isMac('known-browser', about(asked, id), Buffer.from(mac, 'base64url')))
        return id;
    }
    return undefined;
  }

  /** What binds a login to this browser: one for all that are under way in it. @returns it, and the cookie that keeps it */
  loginState(asked: Asked): { state: string; cookie: string } {
    const state = this.loginStates(asked)[0] ?? randomBytes(32).toString('base64url');
    return { state, cookie: setCookie(LOGIN_STATE_COOKIE, state, asked.scheme === 'https', STEP_SECONDS) };
  }

  loginStates(asked: Asked): string[] {
    return cookiesOf(asked, LOGIN_STATE_COOKIE).filter((value) => RANDOM.test(value));
  }

  setMailCode(asked: Asked, codeId: string): string {
    return setCookie(MAIL_CODE_COOKIE, codeId, asked.scheme === 'https', STEP_SECONDS);
  }

  mailCodes(asked: Asked): string[] {
    return cookiesOf(asked, MAIL_CODE_COOKIE).filter((value) => UUID.test(value));
  }
}

const about = ({ host, route }: Asked, text: string): string =>
  `${parseHost(host)?.name}\n${route.settings.resourceId}\n${text}`;

const cookiesOf = ({ rawHeaders, scheme }: Asked, name: string): string[] =>
  cookiesNamed(rawHeaders, hostCookieName(name, scheme === 'https')).slice(0, VALUES);

import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { INSTANCE_LIMITS } from '../../../contracts/index.js';
import { proxyFor } from '../session/proxy.js';
import { describe } from '../session/server-link.js';
import { AGENT_VERSION } from '../version.js';
import { checkHost, guarded } from './addresses.js';
import type { DependencyAllow } from './dependency-allow.js';

/** Why a dependency could not be fetched, as it is acknowledged. */
export type DownloadReason = 'unreachable' | 'status' | 'size' | 'digest';

export class DownloadFailure extends Error {
  constructor(
    readonly reason: DownloadReason,
    message: string,
  ) {
    super(message);
    this.name = 'DownloadFailure';
  }
}

export type DownloadRules = {
  allow: DependencyAllow;
  /** For `HTTPS_PROXY` and its like. */
  env: NodeJS.ProcessEnv;
  /** Certificates that are trusted beside the public ones. */
  ca?: readonly string[];
  /** Until an answer has begun: name, connection, TLS, headers. */
  answerMs: number;
  /** How names are resolved, for tests. */
  lookup?: Parameters<typeof guarded>[0];
};

/** Goes on where an earlier download ended, if the file is still the same (RFC 9110 §13.1.5). */
export type Range = { from: number; validator: string };

/**
 * Asks for a file and follows redirects (docs/instances.md §7.1): each hop is bound by the same rules, credentials of the URL go to its own
 * origin alone.
 * @returns an answer 200, or 206 or 416 for a range, whose body is the caller's to read or destroy
 * @throws DownloadFailure
 */
export async function download(
  from: URL,
  range: Range | undefined,
  rules: DownloadRules,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let url = from;
  for (let hop = 0; hop <= INSTANCE_LIMITS.redirects; hop++) {
    const answer = await ask(url, range, rules, signal);
    const { statusCode: status = 0, headers } = answer;
    if (status === 200 || (range && (status === 206 || status === 416))) return answer;
    answer.destroy();
    if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined)
      throw new DownloadFailure('status', `${shown(url)} answers ${status}`);
    url = redirected(url, headers.location);
  }
  throw new DownloadFailure('status', `${shown(from)} redirects more than ${INSTANCE_LIMITS.redirects} times`);
}

function redirected(url: URL, location: string): URL {
  const next = httpUrl(location, url.href);
  if (!next) throw new DownloadFailure('status', `${shown(url)} redirects to what is no http:// or https:// URL`);
  if (url.protocol === 'https:' && next.protocol === 'http:')
    throw new DownloadFailure('status', `${shown(url)} redirects from https to http`);
  const same = next.origin === url.origin;
  next.username = same ? url.username : '';
  next.password = same ? url.password : '';
  return next;
}

async function ask(
  url: URL,
  range: Range | undefined,
  rules: DownloadRules,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  if (!rules.allow.allows(url)) throw new DownloadFailure('unreachable', `${shown(url)} is not in --dependency-allow`);
  try {
    checkHost(url);
    return await request(url, range, rules, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new DownloadFailure('unreachable', `${shown(url)}: ${describe(error)}`);
  }
}

function request(
  url: URL,
  range: Range | undefined,
  { env, ca, answerMs, lookup }: DownloadRules,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const proxy = proxyFor(url, env);
  return new Promise((resolve, reject) => {
    const asked = (url.protocol === 'https:' ? https : http).get(url, {
      // Behind a proxy names are resolved by it, and what it connects to is for its rules to say.
      agent: proxy ? new HttpsProxyAgent<string>(proxy.href) : false,
      lookup: guarded(lookup),
      signal,
      ...(ca && ca.length > 0 ? { ca: [...rootCertificates, ...ca] } : {}),
      headers: {
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': `gatehouse-agent/${AGENT_VERSION}`,
        ...(range ? { range: `bytes=${range.from}-`, 'if-range': range.validator } : {}),
      },
    });
    const late = setTimeout(() => asked.destroy(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
    asked.on('error', reject);
    asked.on('close', () => clearTimeout(late));
    asked.on('response', (answer) => {
      clearTimeout(late);
      resolve(answer);
    });
  });
}

/** @returns undefined for what is no http:// or https:// URL */
export function httpUrl(text: string, base?: string): URL | undefined {
  if (!URL.canParse(text, base)) return undefined;
  const url = new URL(text, base);
  return /^https?:$/.test(url.protocol) ? url : undefined;
}

/** A URL for log and acknowledgement: what may be a credential, in front of the host or behind the path, is left out. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

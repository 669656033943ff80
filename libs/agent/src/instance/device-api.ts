import { type BundleAck, INSTANCE_PATHS, type LeaseRequest } from '../../../contracts/index.js';
import { AgentExit, EXIT, type ExitCode } from '../cli/exit-codes.js';
import type { OwnCredential } from '../credential/own-credential.js';
import { basicOf } from '../credential/renewal.js';
import { errorCode, invalidOr, isUnusable, objectOf } from '../enrol/responses.js';
import { json, NetworkFailure, type RawResponse, type ServerRequest } from '../session/server-link.js';
import { CredentialRefused } from '../session/token.js';
import type { TrustPath } from './trust.js';

/** A bundle of 1 MB is a third larger as a JWS, and that a third larger as a JWE; then there is what surrounds its values. */
const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;
const MAX_TRUST_BYTES = 4 * 1024 * 1024;

export const KEY_MISSING = 'bundle_key_missing';
/** The server's words that this site gets nothing for now, with their status, and how an agent ends that is not to wait. */
const NOT_NOW: Record<string, { status: number; exit: ExitCode; why: string }> = {
  pending_approval: { status: 403, exit: EXIT.pending, why: '' },
  lease_held: { status: 403, exit: EXIT.pending, why: '' },
  [KEY_MISSING]: { status: 409, exit: EXIT.data, why: 'no bundle can be made for this machine: ' },
  bundle_unusable: { status: 409, exit: EXIT.data, why: 'no bundle can be made for this site: ' },
};

/** The server's word that this site gets nothing for now, until an operator does something: approves it, sends its bundle again, mends it. */
export class NotInService extends Error {
  constructor(
    message: string,
    readonly retryAfter: string | string[] | undefined,
    readonly code: string,
    /** How an agent ends that does not wait for it. */
    readonly exit: ExitCode,
  ) {
    super(message);
    this.name = 'NotInService';
  }
}

type FetchedBundle = { token: string; etag: string | undefined };

/**
 * The routes of an instance (docs/instances.md §4), with id and secret as HTTP Basic, or by the connection's certificate. Each method throws
 * NetworkFailure for everything that is not the server's own word, CredentialRefused, NotInService, and AgentExit 76 where the server does not know the route.
 */
export class DeviceApi {
  constructor(private readonly credential: OwnCredential) {}

  /** @param etag of the bundle that is held. @returns undefined when it still is the one */
  async bundle(etag: string | undefined, signal: AbortSignal): Promise<FetchedBundle | undefined> {
    const answer = await this.request(
      {
        method: 'GET',
        path: INSTANCE_PATHS.bundle,
        headers: { accept: 'application/jose', ...(etag === undefined ? {} : { 'if-none-match': etag }) },
        maxBytes: MAX_BUNDLE_BYTES,
      },
      signal,
    );
    if (answer.status === 304 && etag !== undefined) return undefined;
    if (answer.status === 200 && /^application\/jose\b/i.test(answer.headers['content-type'] ?? ''))
      return { token: answer.text.trim(), etag: answer.headers.etag };
    throw unexpected(answer);
  }

  async acknowledge(ack: BundleAck, signal: AbortSignal): Promise<void> {
    const answer = await this.request({ method: 'POST', path: INSTANCE_PATHS.bundleAck, body: ack }, signal);
    if (answer.status !== 204) throw unexpected(answer);
  }

  /** @returns the lease's JWS */
  async lease(request: LeaseRequest, signal: AbortSignal): Promise<string> {
    const answer = await this.request({ method: 'POST', path: INSTANCE_PATHS.lease, body: request }, signal);
    const { lease } = dataOf(answer);
    if (typeof lease !== 'string') throw unexpected(answer);
    return lease;
  }

  async trust(signal: AbortSignal): Promise<TrustPath> {
    const answer = await this.request({ method: 'GET', path: INSTANCE_PATHS.trust, maxBytes: MAX_TRUST_BYTES }, signal);
    const { keys, successions } = dataOf(answer);
    if (!Array.isArray(keys) || !Array.isArray(successions)) throw unexpected(answer);
    return { keys, successions: successions.filter((one): one is string => typeof one === 'string') };
  }

  private async request(request: ServerRequest, signal: AbortSignal): Promise<RawResponse> {
    const response = await this.credential.using(async (credential, link) => {
      const answered = await link.request(
        { ...request, headers: { ...request.headers, ...basicOf(credential) } },
        signal,
      );
      const answer = answered.status === 401 ? json(answered) : undefined;
      if (answer && isUnusable(answer)) throw new CredentialRefused(credential.id, objectOf(answer.body)['data']);
      return answered;
    });
    if (response.status < 400) return response;
    const answer = json(response);
    const code = errorCode(answer);
    const message = String(objectOf(answer.body)['message']);
    const notNow = code === undefined ? undefined : NOT_NOW[code];
    if (code !== undefined && notNow?.status === response.status)
      throw new NotInService(notNow.why + message, answer.retryAfter, code, notNow.exit);
    if (response.status === 404 && code === 'not_found')
      throw new AgentExit(EXIT.serverTooOld, `the server knows no ${request.path}: it is too old for instances`);
    return response;
  }
}

/** `data` of a success envelope; nothing of another answer. */
function dataOf(answer: RawResponse): Record<string, unknown> {
  const body = objectOf(json(answer).body);
  return answer.status === 200 && body['success'] === true ? objectOf(body['data']) : {};
}

/** @returns what to throw for an answer that is none of those expected */
function unexpected(answer: RawResponse): Error {
  try {
    const { message } = invalidOr(json(answer));
    return new AgentExit(EXIT.internal, `the server does not accept what this agent asks for: ${message}`);
  } catch (error) {
    return error instanceof NetworkFailure ? error : (error as Error);
  }
}

import type { LeasePayload } from '../../../contracts/index.js';
import { InvalidStatement } from './statements.js';
import type { TrustChain, TrustPath } from './trust.js';

/** What a lease must answer to. */
export type Asked = {
  nonce: string;
  org: string;
  device: string;
  /** Of the bundle that is held. */
  version: number;
};

/**
 * Judges a lease that was asked for just now. Freshness is the nonce: no clock is asked.
 * @returns the lease; `ver` and `digest` are not those held where the server has a newer bundle, or has signed the same one anew
 * @throws InvalidStatement that names the check which failed
 */
export async function acceptLease(
  token: string,
  trust: TrustChain,
  lead: () => Promise<TrustPath>,
  asked: Asked,
): Promise<LeasePayload> {
  const payload = (await trust.verify(token, 'lease', lead)) as Partial<LeasePayload>;
  const { iss, sub, nonce, jti, ver, digest, iat, exp } = payload;
  if (iss !== asked.org) throw new InvalidStatement('the lease is of another organization');
  if (sub !== asked.device) throw new InvalidStatement('the lease is of another site');
  if (nonce !== asked.nonce) throw new InvalidStatement('the lease answers another request (nonce): it is a replay');
  if (typeof jti !== 'string' || jti === '') throw new InvalidStatement('the lease has no identity (jti)');
  if (!isSeconds(iat) || !isSeconds(exp) || exp <= iat) throw new InvalidStatement('the lease has no time (iat, exp)');
  if (!Number.isSafeInteger(ver) || (ver as number) < asked.version)
    throw new InvalidStatement(
      `the lease is for version ${ver} of the bundle, older than ${asked.version}, which is held`,
    );
  if (typeof digest !== 'string') throw new InvalidStatement('the lease does not say for which bundle it is (digest)');
  return payload as LeasePayload;
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

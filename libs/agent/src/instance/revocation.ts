import type { RevocationNotice, RevocationPayload } from '../../../contracts/index.js';
import { InvalidStatement } from './statements.js';
import type { TrustChain } from './trust.js';

/**
 * Judges a statement that this site is over. The notice brings the successions to the key that signed it, since a revoked site fetches
 * nothing any more.
 * @throws InvalidStatement when it is not the server's word about this site
 */
export async function acceptRevocation(
  { revocation, successions }: RevocationNotice,
  trust: TrustChain,
  org: string | undefined,
  device: string | undefined,
): Promise<RevocationPayload> {
  const lead = () => Promise.resolve({ keys: [], successions });
  const payload = (await trust.verify(revocation, 'revocation', lead)) as Partial<RevocationPayload>;
  if (org === undefined || payload.iss !== org) throw new InvalidStatement('the revocation is of another organization');
  if (device === undefined || payload.sub !== device) throw new InvalidStatement('the revocation is of another site');
  if (typeof payload.iat !== 'number' || typeof payload.reason !== 'string')
    throw new InvalidStatement('the revocation does not say when and why');
  return payload as RevocationPayload;
}

/** The notice in `data` of a 401, or in a message of the session; undefined when there is none. */
export function readNotice(value: unknown): RevocationNotice | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { revocation, successions } = value as Record<string, unknown>;
  if (typeof revocation !== 'string') return undefined;
  const list = Array.isArray(successions) ? successions.filter((one): one is string => typeof one === 'string') : [];
  return { revocation, successions: list };
}

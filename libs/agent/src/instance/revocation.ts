import type { RevocationNotice, RevocationPayload } from '../../../contracts/index.js';
import { InvalidStatement } from './statements.js';
import type { TrustChain } from './trust.js';

/** The clocks of servers, and of their database, may differ by so much; the server orders a revocation after the leases that it knows. */
const SKEW_SECONDS = 5 * 60;

/** What this machine knows of its site. */
export type Known = {
  org: string | undefined;
  device: string | undefined;
  /** When the server gave the newest lease, by its clock in seconds: the site was not over then. */
  leased: number | undefined;
  /** When the site was over before it was claimed anew. */
  formerEnd: number | undefined;
};

/**
 * Judges a statement that this site is over. The notice brings the successions to the key that signed it, since a revoked site fetches
 * nothing any more. A device that was let in again is the same site to the server: an old statement is about its former life
 * (docs/instances.md §3.3).
 * @throws InvalidStatement when it is not the server's word about this site as it is now
 */
export async function acceptRevocation(
  { revocation, successions }: RevocationNotice,
  trust: TrustChain,
  { org, device, leased, formerEnd }: Known,
): Promise<RevocationPayload> {
  const lead = () => Promise.resolve({ keys: [], successions });
  const payload = (await trust.verify(revocation, 'revocation', lead)) as Partial<RevocationPayload>;
  if (org === undefined || payload.iss !== org) throw new InvalidStatement('the revocation is of another organization');
  if (device === undefined || payload.sub !== device) throw new InvalidStatement('the revocation is of another site');
  if (typeof payload.iat !== 'number' || typeof payload.reason !== 'string')
    throw new InvalidStatement('the revocation does not say when and why');
  if (payload.iat === formerEnd || payload.iat < (leased ?? 0) - SKEW_SECONDS)
    throw new InvalidStatement(
      `the revocation of ${new Date(payload.iat * 1000).toISOString()} is about a former life of this site: it was claimed or had a lease since`,
    );
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

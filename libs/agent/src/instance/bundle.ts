import { checkBundle } from '../../../bootstrap/index.js';
import type { BundlePayload } from '../../../contracts/index.js';
import type { BundleKeyPair } from './bundle-key.js';
import { digestOf, InvalidStatement, isSealed, opened, thumbprint } from './statements.js';
import type { TrustChain, TrustPath } from './trust.js';

/** Bundle whose signature, trust, audience, version and form are right. */
export type AcceptedBundle = { payload: BundlePayload; digest: string };

/** A bundle without a seal: the server has not this machine's key, or somebody has taken the seal off. */
export class NotSealed extends InvalidStatement {
  constructor() {
    super('the bundle is not sealed, and this machine has a bundle key');
  }
}

/** The server's own bundle, of a form that this agent does not write: there is something to acknowledge as failed. */
export class UnusableBundle extends InvalidStatement {
  constructor(
    message: string,
    readonly version: number,
    readonly digest: string,
  ) {
    super(message);
  }
}

/** What this machine knows of itself; organization and device are unknown before its first bundle. */
export type Expected = {
  key: BundleKeyPair;
  org: string | undefined;
  device: string | undefined;
  /** An older version than this one is a replay. */
  version: number;
};

/**
 * Judges a bundle that was fetched just now.
 * @param lead see {@link TrustChain.verify}
 * @throws InvalidStatement that names the check which failed
 */
export async function acceptBundle(
  token: string,
  trust: TrustChain,
  lead: () => Promise<TrustPath>,
  expected: Expected,
): Promise<AcceptedBundle> {
  const statement = await unsealed(token, expected.key);
  const payload = judged(await trust.verify(statement, 'bundle', lead), expected);
  trust.announced(payload.keys);
  return formed({ payload, digest: digestOf(statement) });
}

/**
 * Judges the bundle that is kept for the offline case.
 * @param digest of the bundle that was accepted when it was fetched
 * @throws InvalidStatement
 */
export async function acceptStored(
  token: string,
  trust: TrustChain,
  digest: string,
  expected: Expected,
): Promise<AcceptedBundle> {
  const statement = await unsealed(token, expected.key);
  if (digestOf(statement) !== digest) throw new InvalidStatement('the stored bundle is not the one that was fetched');
  return formed({ payload: judged(await trust.verifyStored(statement, 'bundle'), expected), digest });
}

/** Whether two bundles start the same: version and random bits are not part of it. */
export function sameContents(one: BundlePayload, other: BundlePayload): boolean {
  const contents = ({ env, files, config, dependencies, run }: BundlePayload) =>
    JSON.stringify([Object.entries(env).sort(), files, config ?? null, dependencies, run]);
  return contents(one) === contents(other);
}

async function unsealed(token: string, key: BundleKeyPair): Promise<string> {
  if (!isSealed(token)) throw new NotSealed();
  return opened(token, key);
}

function judged(payload: Record<string, unknown>, expected: Expected): BundlePayload {
  const { iss, sub, aud, ver, cnf, keys } = payload as Partial<BundlePayload>;
  if (typeof iss !== 'string' || typeof sub !== 'string' || iss === '' || sub === '')
    throw new InvalidStatement('the bundle does not say of which organization and site it is');
  if (aud !== sub) throw new InvalidStatement('the bundle is made for another audience');
  if (expected.org !== undefined && iss !== expected.org)
    throw new InvalidStatement('the bundle is of another organization');
  if (expected.device !== undefined && sub !== expected.device)
    throw new InvalidStatement('the bundle is of another site');
  if (cnf?.jkt !== thumbprint(expected.key))
    throw new InvalidStatement('the bundle is bound to another bundle key (cnf) than that of this machine');
  if (!Number.isSafeInteger(ver) || (ver as number) < 1) throw new InvalidStatement('the bundle has no version');
  if ((ver as number) < expected.version)
    throw new InvalidStatement(
      `the bundle has version ${ver}, older than ${expected.version}, which was applied before`,
    );
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
    throw new InvalidStatement('the bundle does not announce the next signing keys (keys)');
  return payload as BundlePayload;
}

/** Before a byte of it is written: the same code that refuses a document when it is saved. */
function formed(bundle: AcceptedBundle): AcceptedBundle {
  const { payload, digest } = bundle;
  const [problem, ...more] = checkBundle(payload).map(({ path, message }) => (path ? `${path}: ${message}` : message));
  if (problem === undefined) return bundle;
  const others = more.length > 0 ? ` (and ${more.length} more)` : '';
  throw new UnusableBundle(`the bundle is none that this agent writes: ${problem}${others}`, payload.ver, digest);
}

import { createHash } from 'node:crypto';
import { compactDecrypt, compactVerify, importJWK, type JWK } from 'jose';
import { BUNDLE_ALGORITHMS, JOSE_TYPE, type SigningJwk } from '../../../contracts/index.js';
import { AgentExit, EXIT } from '../cli/exit-codes.js';
import type { BundleKeyPair } from './bundle-key.js';

export type StatementKind = keyof typeof JOSE_TYPE;

/** A statement of the server, or of who claims to be it, that is not to be acted on: exit 65. The message says which check failed. */
export class InvalidStatement extends AgentExit {
  constructor(message: string) {
    super(EXIT.data, message);
    this.name = 'InvalidStatement';
  }
}

/** Signed by a key that another has followed by now: it may have been on its way when that happened, and is to be asked for once more. */
export class OvertakenStatement extends InvalidStatement {}

const SIGNED: readonly string[] = ['alg', 'typ', 'kid'];
const SEALED: readonly string[] = ['alg', 'enc', 'cty', 'epk', 'kid'];
const SIGN_ALGORITHMS: readonly unknown[] = [BUNDLE_ALGORITHMS.sign, 'Ed25519'];

/**
 * Who a JWS says it is signed by; nothing of it is believed yet.
 * @throws InvalidStatement for another form, algorithm or kind, or a parameter beyond alg, typ and kid
 */
export function signerOf(token: string, kind: StatementKind): string {
  const header = headerOf(token, kind, 3, SIGNED);
  if (!SIGN_ALGORITHMS.includes(header['alg']))
    throw new InvalidStatement(`the ${kind} is signed with ${shown(header['alg'])}, not with EdDSA`);
  if (header['typ'] !== JOSE_TYPE[kind])
    throw new InvalidStatement(`the ${kind} is of type ${shown(header['typ'])}, not ${JOSE_TYPE[kind]}`);
  if (typeof header['kid'] !== 'string') throw new InvalidStatement(`the ${kind} does not say which key signed it`);
  return header['kid'];
}

/**
 * The payload of a JWS after {@link signerOf}.
 * @throws InvalidStatement when this key did not sign it, or the payload is no JSON object
 */
export async function verified(token: string, kind: StatementKind, key: SigningJwk): Promise<Record<string, unknown>> {
  let payload: Uint8Array;
  try {
    const imported = await importJWK({ kty: key.kty, crv: key.crv, x: key.x }, 'EdDSA');
    ({ payload } = await compactVerify(token, imported, { algorithms: [BUNDLE_ALGORITHMS.sign, 'Ed25519'] }));
  } catch {
    throw new InvalidStatement(`the signature of the ${kind} is wrong`);
  }
  return objectIn(Buffer.from(payload).toString('utf8'), kind);
}

/** A statement that is not sealed has three parts, a sealed one five. */
export function isSealed(token: string): boolean {
  return token.split('.').length === 5;
}

/**
 * Opens a bundle that is sealed for this machine.
 * @returns the JWS inside
 * @throws InvalidStatement for another algorithm, any other parameter, or another machine's seal
 */
export async function opened(token: string, key: BundleKeyPair): Promise<string> {
  const header = headerOf(token, 'bundle', 5, SEALED);
  if (header['alg'] !== BUNDLE_ALGORITHMS.agree || header['enc'] !== BUNDLE_ALGORITHMS.encrypt)
    throw new InvalidStatement(
      `the bundle is sealed with ${shown(header['alg'])} and ${shown(header['enc'])}, not with ${BUNDLE_ALGORITHMS.agree} and ${BUNDLE_ALGORITHMS.encrypt}`,
    );
  if (header['cty'] !== 'JOSE') throw new InvalidStatement(`the seal holds ${shown(header['cty'])}, not JOSE`);
  try {
    const { plaintext } = await compactDecrypt(token, await importJWK(key as JWK, BUNDLE_ALGORITHMS.agree), {
      keyManagementAlgorithms: [BUNDLE_ALGORITHMS.agree],
      contentEncryptionAlgorithms: [BUNDLE_ALGORITHMS.encrypt],
    });
    return Buffer.from(plaintext).toString('latin1');
  } catch {
    throw new InvalidStatement('the bundle is sealed for another key, or was changed');
  }
}

/** SHA-256 of a JWS, as acknowledgements and leases name a bundle. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/** RFC 7638 thumbprint of a public key of an OKP curve. */
export function thumbprint({ crv, kty, x }: { crv: string; kty: string; x: string }): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
}

function headerOf(
  token: string,
  kind: StatementKind,
  parts: number,
  allowed: readonly string[],
): Record<string, unknown> {
  const [first = '', ...rest] = token.split('.');
  if (rest.length !== parts - 1) throw new InvalidStatement(`the ${kind} is no compact JOSE object`);
  const header = objectIn(Buffer.from(first, 'base64url').toString('utf8'), kind);
  const other = Object.keys(header).find((name) => !allowed.includes(name));
  if (other !== undefined)
    throw new InvalidStatement(`the ${kind} has the parameter ${shown(other)}, which is not read`);
  return header;
}

function objectIn(text: string, kind: StatementKind): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new InvalidStatement(`the ${kind} is not JSON`);
}

function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 60) ?? 'nothing';
}

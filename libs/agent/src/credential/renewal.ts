import { compactDecrypt, importJWK, type JWK } from 'jose';
import {
  BUNDLE_ALGORITHMS,
  CREDENTIAL_PATHS,
  type RenewedCredential,
  type RenewRequest,
} from '../../../contracts/index.js';
import type { AgentContext } from '../context.js';
import { errorCode, invalidOr, isUnusable, objectOf } from '../enrol/responses.js';
import { type BundleKeyPair, keptBundleKey } from '../instance/bundle-key.js';
import type { ServerLink, ServerResponse } from '../session/server-link.js';
import { CredentialRefused } from '../session/token.js';
import { fits, makeKey } from './certificate.js';
import { type Credential, lifetimeFrom, type NextCredential } from './credential.js';

/** The server gives no next credential, and asking again at once is of no use. */
export class NotRenewed extends Error {}

/**
 * Asks for the credential that is to follow this one (docs/credentials.md §2). Nothing is stored, here or there, that a lost answer would spoil.
 * @param link that presents the credential
 * @throws CredentialRefused, NotRenewed, NetworkFailure
 */
export async function askNext(
  context: AgentContext,
  link: ServerLink,
  credential: Credential,
): Promise<NextCredential> {
  const key = credential.certificate === undefined ? undefined : makeKey();
  const request: RenewRequest = key === undefined ? {} : { csr: key.csr };
  const ask = (body: RenewRequest) => link.post(CREDENTIAL_PATHS.renew, body, context.signal, basicOf(credential));
  let answer = await ask(request);
  if (errorCode(answer) === 'challenge_required')
    answer = await ask({ ...request, challenge: await openChallenge(answer, keptBundleKey(context.readFile())) });
  if (answer.status === 201) return readNext(context, answer, credential, key?.pem);
  if (isUnusable(answer)) throw new CredentialRefused(credential.id, objectOf(answer.body)['data']);
  if (answer.status === 404 && errorCode(answer) === 'not_found')
    throw new NotRenewed('the server is too old to renew credentials');
  if (errorCode(answer) === 'challenge_required')
    throw new NotRenewed('the server holds another bundle key of this site than that of this machine');
  throw new NotRenewed(`the server does not renew the credential: ${invalidOr(answer).message}`);
}

/**
 * What the server calls the next credential, of the same kind as this one.
 * @param key PEM, for a certificate
 * @throws NotRenewed
 */
export function readNext(
  context: AgentContext,
  { body, date }: Pick<ServerResponse, 'body' | 'date'>,
  { id, certificate: certified }: Credential,
  key?: string,
): NextCredential {
  const { credential_type, newt_id, secret, certificate, certificate_chain, expires_at } = objectOf(
    body,
  ) as Partial<RenewedCredential>;
  const kind = certified === undefined ? 'newt' : 'certificate';
  if (credential_type !== kind)
    throw new NotRenewed(
      `the server's next credential is of the kind ${String(credential_type)}, and this one is ${kind}`,
    );
  const life = lifetimeFrom(expires_at, date, context);
  if (kind === 'newt' && typeof newt_id === 'string' && typeof secret === 'string' && newt_id !== '' && secret !== '')
    return { id: newt_id, secret, ...life };
  if (kind === 'certificate' && key !== undefined && typeof certificate === 'string' && fits(certificate, key))
    return { id, secret: key, certificate: chained(certificate, certificate_chain), ...life };
  throw new NotRenewed('the next credential of the server cannot be read');
}

/** What is sealed for this machine's bundle key. @throws NotRenewed */
export async function openSealed(sealed: unknown, key: BundleKeyPair | undefined): Promise<string> {
  if (typeof sealed !== 'string' || key === undefined)
    throw new NotRenewed('the server seals for a bundle key that this machine does not have');
  try {
    const { plaintext } = await compactDecrypt(sealed, await importJWK(key as JWK, BUNDLE_ALGORITHMS.agree), {
      keyManagementAlgorithms: [BUNDLE_ALGORITHMS.agree],
      contentEncryptionAlgorithms: [BUNDLE_ALGORITHMS.encrypt],
    });
    return Buffer.from(plaintext).toString('utf8');
  } catch {
    throw new NotRenewed('the server has sealed for another bundle key than that of this machine');
  }
}

/** Leaf first, as TLS sends it. */
export function chained(certificate: string, chain: unknown): string {
  return typeof chain === 'string' ? `${certificate.trimEnd()}\n${chain}` : certificate;
}

/** Of a request that a newt credential authenticates; a certificate does so by its connection. */
export function basicOf({ id, secret, certificate }: Credential): { authorization?: string } {
  return certificate === undefined
    ? { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
    : {};
}

function openChallenge(answer: ServerResponse, key: BundleKeyPair | undefined): Promise<string> {
  const { challenge } = objectOf(objectOf(answer.body)['data']);
  return openSealed(challenge, key);
}

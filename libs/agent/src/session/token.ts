import { AGENT_PATHS } from '../../../contracts/index.js';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import type { AgentContext } from '../context.js';
import type { Credential } from '../credential/credential.js';
import { objectOf, readTokenResponse } from '../enrol/responses.js';
import type { ServerLink } from './server-link.js';

/** The server has its own word that a credential will not work again; `data` of its answer may say why. */
export class CredentialRefused extends AgentExit {
  /** It has expired, and the server would still renew it (docs/agent-protocol.md rule 49). */
  readonly isRenewable: boolean;

  constructor(
    id: string,
    readonly data?: unknown,
    why?: string,
  ) {
    const isRenewable = objectOf(data)['renewable'] === true;
    const over = isRenewable ? 'it has expired' : 'revoked, rejected or deleted';
    super(EXIT.refused, `the server refuses the credential of site ${id}: ${why ?? over}`);
    this.isRenewable = isRenewable;
  }
}

/**
 * Exchanges the credential for the token of one session.
 * @param link that presents the credential
 * @throws CredentialRefused; NetworkFailure; AgentExit 78 when the server does not accept the credential's form
 */
export async function tokenOnce(
  { log, signal }: Pick<AgentContext, 'log' | 'signal'>,
  link: ServerLink,
  { id, secret, certificate }: Credential,
): Promise<string> {
  const answer =
    certificate === undefined
      ? await link.post(AGENT_PATHS.getToken, { newtId: id, secret }, signal)
      : await link.post(AGENT_PATHS.getDeviceToken, {}, signal);
  const verdict = readTokenResponse(answer);
  if (verdict.kind === 'refused') throw new CredentialRefused(id, verdict.data);
  if (verdict.kind === 'invalid')
    throw misconfigured(`the server does not accept the credential's form: ${verdict.message}`);
  log.hide(verdict.value.token);
  return verdict.value.token;
}

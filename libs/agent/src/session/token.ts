import { AGENT_PATHS } from '../../../contracts/index.js';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import type { AgentContext } from '../context.js';
import type { Credential } from '../enrol/claim.js';
import { readTokenResponse } from '../enrol/responses.js';
import { retry } from '../enrol/retry.js';
import type { ServerLink } from './server-link.js';

/** The server has its own word that a credential will not work again; `data` of its answer may say why. */
export class CredentialRefused extends AgentExit {
  constructor(
    id: string,
    readonly data?: unknown,
  ) {
    super(EXIT.refused, `the server refuses the credential of site ${id}: revoked, rejected or deleted`);
  }
}

/**
 * Exchanges the credential for the token of one session.
 * @param until see {@link retry}
 * @throws CredentialRefused; AgentExit 69 after that, 78 when the server does not accept the credential's form
 */
export async function sessionToken(
  context: AgentContext,
  link: ServerLink,
  { id, secret }: Credential,
  until: number,
): Promise<string> {
  const attempt = async () =>
    readTokenResponse(await link.post(AGENT_PATHS.getToken, { newtId: id, secret }, context.signal));
  const verdict = await retry(context, 'get-token', until, attempt);
  if (verdict.kind === 'refused') throw new CredentialRefused(id, verdict.data);
  if (verdict.kind === 'invalid')
    throw misconfigured(`the server does not accept the credential's form: ${verdict.message}`);
  context.log.hide(verdict.value.token);
  return verdict.value.token;
}

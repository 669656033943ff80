import type { AgentHello } from '../../../contracts/index.js';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import type { AgentContext } from '../context.js';
import { keepingCredential } from '../credential/keeping.js';
import type { OwnCredential } from '../credential/own-credential.js';
import { goneBecause, waitAfter } from './coming-back.js';
import { Duel } from './duel.js';
import type { SessionFeature } from './feature.js';
import { AgentSession, type SessionEnd } from './session.js';

/** A session that lasted this long makes the next failure the first one again. */
const STEADY_MS = 60_000;

/** What an agent does with its sessions, one after the other. */
export type Sessions = {
  hello: AgentHello;
  /** @param leave closes the session that begins */
  features(leave: () => void): readonly SessionFeature[];
  /** Version of the state that was applied last. */
  appliedVersion(): number;
  /** How long to wait for a session: see `retry`. */
  until(): number;
  /** After each; what it throws ends them. */
  ended(end: SessionEnd): void | Promise<void>;
};

/**
 * Keeps a session with the server, and comes back when one has ended (docs/agent-protocol.md "Leaving, revocation"). While there is one the
 * credential is renewed in time.
 * @throws CredentialRefused; AgentExit 77 when the server ends the last one, 78 when another agent has the same credential, 69 when patience
 *   ends; the reason of the context's signal
 */
export async function keepSession(
  context: AgentContext,
  credential: OwnCredential,
  sessions: Sessions,
): Promise<never> {
  const { clock, log, signal } = context;
  const duel = new Duel();
  let unreachable = false;
  for (let failures = 0; ; ) {
    context.status({ phase: unreachable ? 'unreachable' : 'connecting', connectedSince: null });
    const token = await credential.token(context, sessions.until());
    const end = await oneSession(context, credential, sessions, token);
    await sessions.ended(end);
    signal.throwIfAborted();
    if (end.kind === 'revoked') throw new AgentExit(EXIT.refused, goneBecause(end.reason, credential.site));
    if (duel.lost(end))
      throw misconfigured(
        `another agent keeps taking over the sessions of site ${credential.site}: its state was copied, or one credential is used twice; give this machine a site of its own`,
      );
    if (credential.isNew) continue;
    if (sessions.until() === 0) throw new AgentExit(EXIT.unreachable, `no session with the server: ${end.detail}`);
    if (end.lastedMs !== undefined && end.lastedMs >= STEADY_MS) failures = 0;
    const wait = waitAfter(context, end, failures++);
    log.warn(`session ended: ${end.detail}; connecting again in ${(wait / 1000).toFixed(1)} s`);
    unreachable = true;
    context.status({ phase: 'unreachable', connectedSince: null, lastError: end.detail });
    await clock.sleep(wait, 'reconnect', signal);
  }
}

async function oneSession(
  context: AgentContext,
  credential: OwnCredential,
  sessions: Sessions,
  token: string,
): Promise<SessionEnd> {
  const { hello } = sessions;
  const leave = () => void session.close();
  const session: AgentSession = new AgentSession(
    credential.way.openSession(token),
    { ...hello, capabilities: [...hello.capabilities, ...credential.capabilities] },
    [keepingCredential(context, credential, leave), ...sessions.features(leave)],
    context,
    sessions.appliedVersion(),
  );
  context.signal.addEventListener('abort', leave, { once: true });
  if (context.signal.aborted) leave();
  const end = await session.ended;
  context.signal.removeEventListener('abort', leave);
  return end;
}

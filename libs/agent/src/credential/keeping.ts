import { AGENT_MESSAGE } from '../../../contracts/index.js';
import type { AgentContext } from '../context.js';
import { afterAtLeast, backoff, type Range, retryAfterMs } from '../session/backoff.js';
import type { SessionFeature } from '../session/feature.js';
import { describe, NetworkFailure } from '../session/server-link.js';
import type { OwnCredential } from './own-credential.js';
import { NotRenewed } from './renewal.js';

/** A third of the life is left when the first try fails. */
const RENEWAL_BACKOFF: Range = { min: 60_000, max: 15 * 60_000 };
/** Timers do not go further, and clocks are set. */
const LOOK_MS = 86_400_000;

/**
 * While there is a session: renews the credential in time and takes what the server sends.
 * @param leave ends the session, which another one follows with the new credential
 */
export function keepingCredential(context: AgentContext, own: OwnCredential, leave: () => void): SessionFeature {
  const { clock, log, random } = context;
  let over = new AbortController();

  async function renewInTime(signal: AbortSignal): Promise<void> {
    for (let failures = 0; ; ) {
      const { renewAt } = own.lifetime;
      if (renewAt === undefined) return;
      const left = Date.parse(renewAt) - clock.now();
      if (left > 0) {
        await clock.sleep(Math.min(left, LOOK_MS), 'renewal', signal);
        continue;
      }
      try {
        await own.renew();
        if (own.isNew) return leave();
        throw new NotRenewed('the server refuses the one that it gave');
      } catch (error) {
        signal.throwIfAborted();
        const asked = error instanceof NetworkFailure ? retryAfterMs(error.retryAfter, clock.now()) : undefined;
        const wait = Math.max(backoff(RENEWAL_BACKOFF, failures++, random), afterAtLeast(asked ?? 0, random));
        log.warn(`the credential was not renewed: ${describe(error)}; trying again in ${Math.round(wait / 1000)} s`);
        await clock.sleep(wait, 'renewal-retry', signal);
      }
    }
  }

  return {
    welcomed: () => {
      over = new AbortController();
      const signal = AbortSignal.any([context.signal, over.signal]);
      renewInTime(signal).catch((error: unknown) => {
        if (!signal.aborted) log.error(`the credential is not renewed: ${describe(error)}`);
      });
    },
    received: (type, data) => {
      if (type !== AGENT_MESSAGE.credential) return false;
      void own.offered(data).then((isReplaced) => isReplaced && leave());
      return true;
    },
    disconnected: () => over.abort(new Error('the session is over')),
  };
}

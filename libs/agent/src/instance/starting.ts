import { BootstrapError } from '../../../bootstrap/index.js';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import { networkWait } from '../enrol/retry.js';
import { retryAfterMs } from '../session/backoff.js';
import type { SessionFeature } from '../session/feature.js';
import { keepSession } from '../session/keep-session.js';
import { NetworkFailure } from '../session/server-link.js';
import { NotSealed, UnusableBundle } from './bundle.js';
import { DependencyFailure } from './dependencies.js';
import { KEY_MISSING, NotInService } from './device-api.js';
import type { Enrolled } from './enrolled.js';
import type { HeldBundle } from './instance.js';
import type { Preparation } from './preparation.js';
import { InvalidStatement } from './statements.js';
import type { RunningBundle } from './supervisor.js';

/** How often a pending instance asks by itself, where the server does not say and no session tells. */
const ASK_AGAIN_MS = 30_000;
/** A server that has just heard of a bundle key seals with it a moment later. */
const KEY_TAKEN_MS = 1_000;
const KEY_TELLINGS = 5;
/** A server that changes a bundle this often while it is taken has another trouble. */
const MAX_CHANGES = 5;

export type Started = { bundle: HeldBundle; running: RunningBundle };

/**
 * A bundle to start with, made ready: approved, fetched, verified, leased, its dependencies and files in place (docs/instances.md §6, the
 * steps 2 to 5). What is stored is taken only where the server cannot be reached.
 * @throws AgentExit 65, 69, 73, 75, 76, 77, 78 as the page says; the reason of the context's signal
 */
export async function firstBundle(enrolled: Enrolled, preparation: Preparation): Promise<Started> {
  const { context, instance, patience } = enrolled;
  for (let failures = 0, tellings = 0; ; failures++) {
    let problem: NetworkFailure | DependencyFailure;
    try {
      const bundle = await leasedBundle(enrolled);
      return { bundle, running: await made(enrolled, preparation, bundle) };
    } catch (error) {
      const lacksKey = error instanceof NotSealed || (error instanceof NotInService && error.code === KEY_MISSING);
      const mayLack = !enrolled.claimed && instance.facts.device === undefined;
      if (lacksKey && mayLack && tellings++ < KEY_TELLINGS) {
        await tellBundleKey(enrolled);
        continue;
      }
      if (error instanceof NotInService) {
        await decision(enrolled, error);
        failures = 0;
        continue;
      }
      if (!(error instanceof NetworkFailure || error instanceof DependencyFailure)) throw error;
      problem = error;
    }
    let why = problem.message;
    if (problem instanceof NetworkFailure) {
      const stored = await instance.offline().catch((error: unknown) => {
        if (!(error instanceof AgentExit && error.code === EXIT.unreachable)) throw error;
        why = `${error.message} (${problem.message})`;
      });
      if (stored) {
        context.log.warn(`${problem.message}: starting with the stored bundle ${stored.payload.ver}`);
        return { bundle: stored, running: await made(enrolled, preparation, stored) };
      }
    }
    const wait = networkWait(context, problem instanceof NetworkFailure ? problem.retryAfter : undefined, failures);
    if (context.clock.uptime() + wait > patience.until) throw new AgentExit(EXIT.unreachable, why);
    context.log.warn(`${why}; trying again in ${(wait / 1000).toFixed(1)} s`);
    context.status({ phase: 'unreachable', lastError: why });
    await context.clock.sleep(wait, 'bundle-retry', context.signal);
  }
}

/** Fetched and verified, with a lease. */
async function leasedBundle({ instance }: Enrolled): Promise<HeldBundle> {
  let bundle = await instance.stored();
  for (let changes = 0; changes < MAX_CHANGES; changes++) {
    bundle = await instance.fetch(bundle).catch((error: unknown) => refusedForm(instance, error));
    if (await instance.lease(bundle)) return bundle;
  }
  throw new InvalidStatement('the server gives no lease for the bundle that it serves (digest)');
}

async function refusedForm(instance: Enrolled['instance'], error: unknown): Promise<never> {
  if (error instanceof UnusableBundle) await instance.failed(error.version, error.digest, error.message);
  throw error;
}

/** Dependencies and files. What fails here is told to the server, and ends the start unless it may come right by itself. */
async function made({ instance }: Enrolled, preparation: Preparation, bundle: HeldBundle): Promise<RunningBundle> {
  const { ver } = bundle.payload;
  const known = ver === instance.facts.applied;
  if (!known) void instance.acknowledge(bundle, 'fetched');
  try {
    return await preparation.prepare(bundle);
  } catch (error) {
    await instance.failed(ver, bundle.digest, reasonOf(error));
    if (error instanceof BootstrapError) throw misconfigured(`bundle ${ver}: ${error.message}`);
    if (error instanceof DependencyFailure && (error.reason === 'size' || error.reason === 'digest'))
      throw new InvalidStatement(error.message);
    throw error;
  }
}

/** What is acknowledged: a word where there is one. */
export function reasonOf(error: unknown): string {
  if (error instanceof DependencyFailure) return error.reason;
  return error instanceof Error ? error.message : String(error);
}

/**
 * The greeting of a session brings the bundle key of a machine that was enrolled without one.
 * @throws AgentExit 69 when there is no session in time
 */
async function tellBundleKey(enrolled: Enrolled): Promise<void> {
  const { context, credential, hello, patience } = enrolled;
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, done.signal]);
  const apply = async () => {
    await context.clock.sleep(KEY_TAKEN_MS, 'bundle-key', signal);
    done.abort();
  };
  await keepSession({ ...context, signal }, credential, {
    hello,
    features: () => [{ apply }],
    appliedVersion: () => 0,
    until: () => patience.until,
    ended: () => undefined,
  }).catch((error: unknown) => {
    if (!done.signal.aborted) throw error;
  });
}

/**
 * Waits until an operator has decided: told by a session, and asked for where none gets through.
 * @throws AgentExit with --no-wait: 75 where an operator has to decide, 65 where no bundle can be made; the reason of the context's signal
 */
async function decision(enrolled: Enrolled, { message, retryAfter, code, exit }: NotInService): Promise<void> {
  const { context, settings, credential, hello } = enrolled;
  if (settings.noWait) throw new AgentExit(exit, message);
  context.log.warn(`${message}; waiting`);
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, done.signal]);
  let told = false;
  const feature: SessionFeature = {
    welcomed: ({ siteId, niceId, status }) => {
      context.status({ phase: 'connected', siteId, niceId, siteStatus: status });
      told = code === 'pending_approval' && status === 'pending';
      if (told) context.log.warn(`waiting for approval: an operator finds this site as ${niceId}`);
    },
    apply: async ({ status }) => {
      if (told && status === 'approved') done.abort();
    },
    disconnected: () => (told = false),
  };
  const session = keepSession({ ...context, signal }, credential, {
    hello,
    features: () => [feature],
    appliedVersion: () => 0,
    until: () => Number.POSITIVE_INFINITY,
    ended: () => undefined,
  });
  const asking = async () => {
    const every = Math.max(retryAfterMs(retryAfter, context.clock.now()) ?? ASK_AGAIN_MS, 1_000);
    do await context.clock.sleep(every, 'approval', signal);
    while (told);
  };
  try {
    await Promise.race([session, asking()]);
  } catch (error) {
    // A refused credential is judged by the next request, which brings the statement with it.
    if (!(error instanceof AgentExit) && !done.signal.aborted) throw error;
  } finally {
    done.abort();
    await session.catch(() => undefined);
  }
}

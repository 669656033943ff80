import { constants } from 'node:os';
import { AgentExit, EXIT, type ExitCode } from '../cli/exit-codes.js';
import type { SettingValue } from '../config/settings.js';
import type { AgentContext } from '../context.js';
import { HealthFile } from '../session/health-file.js';
import { reporting } from '../session/reporting.js';
import { describe } from '../session/server-link.js';
import { BundleFolder } from './bundle-folder.js';
import { inherited } from './child-environment.js';
import { type ChildUser, lookUpUser } from './child-user.js';
import { DependencyCache } from './dependencies.js';
import { type Enrolled, InstanceHost, type InstanceOptions, type Owned } from './enrolled.js';
import { LeftBehind } from './left-behind.js';
import { Preparation } from './preparation.js';
import { firstBundle, type Started } from './starting.js';
import { type ForwardedSignal, Supervisor } from './supervisor.js';
import { Watch } from './watch.js';

type RunnerEnd = { code: number; message: string };

/**
 * `gatehouse-agent run`: a program that starts only with a valid key, and what it is to have (docs/instances.md §6). It touches no global state
 * but the program that it starts.
 */
export class Runner {
  /** Never rejects. */
  readonly done: Promise<RunnerEnd>;
  private readonly stopping = new AbortController();
  private readonly host: InstanceHost;
  private supervisor: Supervisor | undefined;
  private stoppedBy: ForwardedSignal | undefined;

  constructor(
    private readonly options: InstanceOptions,
    private readonly command: readonly string[],
  ) {
    this.host = new InstanceHost(options, this.stopping.signal);
    this.done = this.run();
  }

  /** A signal for the program; before there is one it ends the runner, as it would have ended the program. */
  signal(name: ForwardedSignal): void {
    if (this.supervisor?.signal(name)) return;
    if (name !== 'SIGTERM' && name !== 'SIGINT' && name !== 'SIGQUIT' && name !== 'SIGHUP') return;
    this.stoppedBy = name;
    void this.supervisor?.stop(name);
    this.stopping.abort(new Error(`stopped by ${name}`));
  }

  private async run(): Promise<RunnerEnd> {
    const { log } = this.options;
    try {
      await Promise.resolve();
      const owned = await this.host.own();
      const { folder, supervisor } = await this.takeOver(owned);
      const end = await this.supervise(await begin(this.host, owned, folder), supervisor);
      this.host.release({ phase: end.code === EXIT.refused ? 'refused' : 'stopped', lastError: end.message || null });
      return end;
    } catch (error) {
      const end = this.endOf(error);
      if (this.host.owns) await clearAway(this.options, this.options.cli.get('bundleDir'), this.supervisor);
      this.host.release({
        phase: end.code === EXIT.refused ? 'refused' : 'stopped',
        lastError: log.redact(end.message),
      });
      log.fatal(end.message);
      return end;
    } finally {
      this.stopping.abort(new Error('the program has ended'));
    }
  }

  /** What an earlier agent has left is ended before anything is waited for. @throws AgentExit 73, 78 */
  private async takeOver({ context, resolved: { settings } }: Owned) {
    const user = settings.user === '' ? undefined : lookUpUser(settings.user, context.machineRoot);
    const folder = bundleFolder(context, settings.bundleDir, user);
    const { command } = this;
    const supervisor = new Supervisor({ command, env: inherited(context.env), user, folder, log: context.log });
    this.supervisor = supervisor;
    await supervisor.clearAway();
    return { folder, supervisor };
  }

  private async supervise({ enrolled, preparation, ...first }: Begun, supervisor: Supervisor): Promise<RunnerEnd> {
    const { context, settings } = enrolled;
    const { log } = context;
    context.signal.throwIfAborted();
    log.info(`starting the program with bundle ${first.running.version}`);
    const started = supervisor.start(first.running);
    const health = new HealthFile(settings.healthFile, log);
    const told = {
      report: () => this.host.lastReport,
      applied: (version?: number) => version ?? 0,
      apply: undefined,
      onWelcome: () => undefined,
      onApplied: () => undefined,
    };
    const watch = new Watch(enrolled, supervisor, preparation, [reporting(context, health, told)], first, started);
    const watching = watch.run();
    try {
      const code = await Promise.race([supervisor.ended, failing(watching), failing(started)]);
      await watch.told();
      return watch.verdict ?? { code, message: '' };
    } finally {
      // Nothing of it outlives its agent, whatever went wrong here.
      if (supervisor.isRunning) await supervisor.stop();
      this.stopping.abort(new Error('the program has ended'));
      await watching.catch(() => undefined);
      health.remove();
    }
  }

  private endOf(error: unknown): { code: ExitCode | number; message: string } {
    if (this.stoppedBy)
      return { code: 128 + constants.signals[this.stoppedBy], message: `stopped by ${this.stoppedBy}` };
    if (error instanceof AgentExit) return { code: error.code, message: error.message };
    return { code: EXIT.internal, message: error instanceof Error ? (error.stack ?? error.message) : describe(error) };
  }
}

/** @param dir '' to choose one. @throws AgentExit 73, 78 */
export function bundleFolder(
  { env, configFile, log }: Pick<AgentContext, 'env' | 'configFile' | 'log'>,
  dir: string,
  user?: ChildUser,
): BundleFolder {
  return BundleFolder.open({ ...(dir === '' ? {} : { dir }), env, configFile, user, log });
}

/** A machine with what its program is to be started with. */
type Begun = { enrolled: Enrolled; preparation: Preparation } & Started;

/** All steps up to the start of a program (docs/instances.md §6). @throws AgentExit as the page says; the reason of the context's signal */
export function begin(host: InstanceHost, owned: Owned, folder: BundleFolder): Promise<Begun> {
  return host.start(owned, async (enrolled) => {
    const preparation = preparationOf(enrolled, folder);
    return { enrolled, preparation, ...(await firstBundle(enrolled, preparation)) };
  });
}

/** @throws AgentExit 73, 78 */
function preparationOf({ context, settings, tls, state }: Enrolled, folder: BundleFolder): Preparation {
  const { env, log } = context;
  const cache = new DependencyCache({
    folder: state.below('dependencies'),
    allow: settings.dependencyAllow,
    env,
    ca: [tls.ca ?? []].flat().map(String),
    log,
  });
  return new Preparation(context, folder, cache, settings.envAllow);
}

/**
 * Ends and removes what an earlier agent has left, and what this one has written, whatever kept it from starting.
 * @param dir of the bundles, as it was given. @param supervisor once there is one
 */
export async function clearAway(
  options: InstanceOptions,
  dir: SettingValue | undefined,
  supervisor?: Supervisor,
): Promise<void> {
  try {
    if (supervisor) return await supervisor.clearAway();
    const folder = bundleFolder(options, String(dir ?? ''));
    await new LeftBehind(folder.childRecord, options.log).end();
    folder.clear();
  } catch (error) {
    options.log.warn(describe(error));
  }
}

/** Never resolves. */
function failing(work: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => work.catch(reject));
}

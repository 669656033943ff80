import type { BundleRun } from '../../../contracts/index.js';
import type { Log } from '../log.js';
import type { BundleFolder } from './bundle-folder.js';
import { Child } from './child.js';
import { type ChildUser, type Launch, launchAs, userVariables } from './child-user.js';
import { LeftBehind } from './left-behind.js';
import { type Readiness, ReadyCheck } from './ready.js';

/** Signals that the agent passes on to the program, once each. */
export const FORWARDED_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
export type ForwardedSignal = (typeof FORWARDED_SIGNALS)[number];
/** Those that ask it to end: SIGKILL after the grace. */
const ENDING: readonly ForwardedSignal[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

/** What the program runs with: a version's folder (of `BundleFolder.write`), and its variables as they are to be set. */
export type RunningBundle = { version: number; folder: string; env: Record<string, string>; run: BundleRun };

/**
 * What became of a bundle. `failed`: acknowledged with the reason; after a change, the program runs with the bundle before.
 * `held`: nothing was done, it counts from the next start. `stopped`: the program was being ended meanwhile, so nothing is known of the bundle.
 */
export type Outcome = { state: 'applied' | 'held' | 'stopped' } | { state: 'failed'; reason: string };

type SupervisorOptions = {
  command: readonly string[];
  /** What the program inherits: the agent's environment without its secrets. */
  env: NodeJS.ProcessEnv;
  user?: ChildUser | undefined;
  folder: BundleFolder;
  log: Log;
};

/** Runs one program with bundles, one after the other (docs/instances.md §7.6 to §7.9). */
export class Supervisor {
  /** Exit code of the program, when it has ended for good and its files are removed. */
  readonly ended: Promise<number>;
  private readonly launch: Launch;
  private readonly leftBehind: LeftBehind;
  private readonly stopping = new AbortController();
  private resolveEnded!: (code: number) => void;
  private child: Child | undefined;
  private bundle: RunningBundle | undefined;
  /** An end of the program is for the change to judge. */
  private changing = false;

  /** @throws AgentExit 78 when the program cannot be run as that user */
  constructor(private readonly options: SupervisorOptions) {
    this.launch = launchAs(options.user, options.env);
    this.leftBehind = new LeftBehind(options.folder.childRecord, options.log);
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
    if (process.pid === 1)
      options.log.warn('this is process 1, which cannot reap what the program leaves behind: start it behind tini');
  }

  get isRunning(): boolean {
    return this.child !== undefined && !this.child.isOver;
  }

  /**
   * Starts the program with its first bundle, after {@link clearAway}. A program that is not ready in time is left running: there is nothing to
   * go back to.
   * @throws AgentExit 73
   */
  async start(bundle: RunningBundle): Promise<Outcome> {
    this.bundle = bundle;
    const outcome = this.startWith(bundle);
    this.options.folder.keepOnly([bundle.folder]);
    return outcome;
  }

  /** Ends the program that an agent which was killed has left running, which nobody holds to its lease, and removes its files. */
  async clearAway(): Promise<void> {
    await this.leftBehind.end();
    this.options.folder.clear();
  }

  /**
   * Gives the running program another bundle, as the new one's `onChange` says. One change at a time: the caller waits for the outcome.
   * @throws AgentExit 73 when `current` cannot be switched; the program then runs with the bundle before
   */
  async change(next: RunningBundle): Promise<Outcome> {
    const before = this.bundle;
    const [how, signal] = next.run.onChange.split(':');
    if (!before || !this.child || this.child.isOver || this.stopping.signal.aborted) return { state: 'stopped' };
    if (how === 'hold') {
      this.options.folder.keepOnly([before.folder]);
      return { state: 'held' };
    }
    this.changing = true;
    try {
      const outcome =
        how === 'signal'
          ? await this.changeBySignal(next, this.child, signal as NodeJS.Signals)
          : await this.changeByRestart(next, before);
      if (outcome.state === 'applied') this.bundle = next;
      else if (outcome.state === 'failed') await this.goBack(before, next, outcome.reason);
      if (outcome.state !== 'stopped') this.options.folder.keepOnly([this.bundle!.folder]);
      return outcome;
    } catch (error) {
      await this.goBack(before, next, (error as Error).message);
      throw error;
    } finally {
      this.changing = false;
      if (this.child.isOver) this.finish(await this.child.ended);
    }
  }

  /** Passes a signal on to the program. @returns false when there is none yet */
  signal(name: ForwardedSignal): boolean {
    if (!this.bundle) return false;
    if (ENDING.includes(name)) void this.stop(name);
    else this.child?.signal(name);
    return true;
  }

  /** Ends the program: the signal, and SIGKILL for its whole group after the grace. @returns its exit code */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.stopping.abort();
    if (this.child && this.bundle) void this.child.stop(signal, graceOf(this.bundle));
    return this.ended;
  }

  /** Does what the bundle says of a revocation. @returns whether the program was ended, and is gone */
  async revoke(): Promise<boolean> {
    const [how, signal] = (this.bundle?.run.onRevoke ?? 'stop').split(':');
    if (how === 'ignore') return false;
    await this.stop(how === 'signal' ? (signal as NodeJS.Signals) : 'SIGTERM');
    return true;
  }

  private async changeBySignal(next: RunningBundle, child: Child, signal: NodeJS.Signals): Promise<Outcome> {
    const check = this.readyCheck(next);
    this.options.folder.switchTo(next.folder);
    child.signal(signal);
    return this.judge(check, child);
  }

  private async changeByRestart(next: RunningBundle, before: RunningBundle): Promise<Outcome> {
    await this.child?.stop('SIGTERM', graceOf(before));
    return this.startWith(next);
  }

  /** Starts the program again with the bundle that it had, and leaves it to show whether it is ready. */
  private async goBack(before: RunningBundle, next: RunningBundle, reason: string): Promise<void> {
    this.options.log.error(`bundle ${next.version}: ${reason}; starting the program again with ${before.version}`);
    await this.child?.stop('SIGTERM', graceOf(next));
    const failed = (why: string) => this.options.log.error(`bundle ${before.version} again: ${why}`);
    void this.startWith(before).then(
      (outcome) => outcome.state === 'failed' && failed(outcome.reason),
      (error: Error) => failed(error.message),
    );
  }

  private async startWith(bundle: RunningBundle): Promise<Outcome> {
    if (this.stopping.signal.aborted) return { state: 'stopped' };
    const { folder, command, log } = this.options;
    const check = this.readyCheck(bundle);
    folder.switchTo(bundle.folder);
    const child = new Child(command, this.launch, this.environment(bundle), graceOf(bundle), log);
    this.child = child;
    if (child.pid !== undefined) this.leftBehind.note(child.pid, graceOf(bundle));
    void child.ended.then((code) => this.child === child && !this.changing && this.finish(code));
    return this.judge(check, child);
  }

  private async judge(check: ReadyCheck, child: Child): Promise<Outcome> {
    let found: Readiness;
    try {
      found = await check.wait(child, this.stopping.signal);
    } catch (error) {
      if (this.stopping.signal.aborted) return { state: 'stopped' };
      throw error;
    }
    if (found.ready) return { state: 'applied' };
    return this.stopping.signal.aborted ? { state: 'stopped' } : { state: 'failed', reason: found.reason };
  }

  private readyCheck({ run: { ready } }: RunningBundle): ReadyCheck {
    return new ReadyCheck(ready, 'file' in ready ? this.options.folder.readyFile(ready.file) : undefined);
  }

  private environment({ env, run: { ready } }: RunningBundle): NodeJS.ProcessEnv {
    const { folder, user } = this.options;
    return {
      ...this.options.env,
      ...userVariables(user),
      ...env,
      GATEHOUSE_BUNDLE: folder.current,
      GATEHOUSE_CONFIG: folder.config,
      ...('file' in ready ? { GATEHOUSE_READY_FILE: folder.readyFile(ready.file) } : {}),
    };
  }

  private finish(code: number): void {
    this.leftBehind.forget();
    this.options.folder.clear();
    this.resolveEnded(code);
  }
}

function graceOf({ run }: RunningBundle): number {
  return run.stopGraceSeconds * 1000;
}

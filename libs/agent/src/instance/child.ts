import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../log.js';
import type { Launch } from './child-user.js';

const LOOK_MS = 20;
/** Until a group that got SIGKILL is believed to be gone: what sleeps in the kernel is not waited for. */
const KILLED_MS = 1_000;

/** A program and what it starts: one process group, which is ended as one (docs/instances.md §7.6). */
export class Child {
  /** Its exit code, as a shell has it (128 + number of the signal), once nobody of its group is left. Never rejects. */
  readonly ended: Promise<number>;
  /** The same, as soon as the program itself has ended; what it started may live on for its grace. */
  readonly exited: Promise<number>;
  private readonly process: ChildProcess;
  private hasEnded = false;
  /** When what is left of the group gets SIGKILL: set by `stop`, or when the program ends by itself. */
  private deadline: number | undefined;
  private killTimer: NodeJS.Timeout | undefined;

  /**
   * Starts a program in a session and process group of its own, with the agent's standard streams.
   * @param graceMs how long what it leaves behind may take to end, when it ends by itself
   */
  constructor(command: readonly string[], launch: Launch, env: NodeJS.ProcessEnv, graceMs: number, log: Log) {
    const [file = '', ...args] = [...launch.prefix, ...command];
    const { prefix: _, ...identity } = launch;
    this.process = spawn(file, args, { ...identity, env, detached: true, stdio: 'inherit' });
    this.exited = exitCode(this.process, (error) => log.error(`the program cannot be started: ${error.message}`));
    this.ended = this.end(graceMs);
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.process.pid;
  }

  get isOver(): boolean {
    return this.hasEnded;
  }

  /** Sends a signal to the program, not to what it started: that is the program's to do. */
  signal(name: NodeJS.Signals): void {
    if (this.isLed) this.process.kill(name);
  }

  /**
   * Asks the program to end, then its group; SIGKILL for all of it after the grace. Called again, it sends the signal again and the earlier
   * deadline stays.
   * @returns the exit code
   */
  stop(signal: NodeJS.Signals, graceMs: number): Promise<number> {
    this.signal(signal);
    const { pid } = this;
    if (this.isLed && pid !== undefined && this.deadline === undefined) {
      this.deadline = performance.now() + graceMs;
      this.killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
    }
    return this.ended;
  }

  /** The program itself runs; what it started may outlive it. */
  private get isLed(): boolean {
    return this.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null;
  }

  private async end(graceMs: number): Promise<number> {
    const code = await this.exited;
    clearTimeout(this.killTimer);
    if (this.pid !== undefined) await endGroup(this.pid, this.deadline ?? performance.now() + graceMs);
    this.hasEnded = true;
    return code;
  }
}

function exitCode(child: ChildProcess, onError: (error: Error) => void): Promise<number> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return; // a signal that could not be sent: it ends nothing
      onError(error);
      resolve(error.code === 'ENOENT' ? 127 : 126); // as a shell says it
    });
  });
}

/** Ends what is left of a group whose leader is gone: SIGTERM, and SIGKILL at the deadline (of `performance.now()`). */
export async function endGroup(group: number, deadline: number): Promise<void> {
  if (!signalGroup(group, 'SIGTERM')) return;
  await isGone(group, deadline);
  // Also when nobody seemed to be left: one that starts another and ends may be overlooked.
  if (signalGroup(group, 'SIGKILL')) await isGone(group, performance.now() + KILLED_MS);
}

async function isGone(group: number, deadline: number): Promise<void> {
  for (let wait = LOOK_MS; signalGroup(group, 0) && livesIn(group); wait = Math.min(2 * wait, 10 * LOOK_MS)) {
    const left = deadline - performance.now();
    if (left <= 0) return;
    await delay(Math.min(wait, left));
  }
}

/** @returns whether there is such a group */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether somebody in a group has not ended. Those that have stay members until process 1 reaps them, which not every one does at once. */
function livesIn(group: number): boolean {
  if (process.platform !== 'linux') return true;
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    const { state = 'X', group: its } = processOf(Number(name));
    return its === group && !'ZX'.includes(state);
  });
}

/** What Linux says of a process: its state, its group, and when it was started, in ticks since this machine booted. */
export function processOf(pid: number): { state?: string; group?: number; started?: string } {
  try {
    // The second field, the program's name in parentheses, may hold blanks and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, , group, ...more] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: state!, group: Number(group), started: more[16]! };
  } catch {
    return {};
  }
}

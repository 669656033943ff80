import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { expectNoTrace } from './secret-values.js';

export const repository = fileURLToPath(new URL('../..', import.meta.url));
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

let bundle: string | undefined;
afterAll(() => {
  if (bundle !== undefined) rmSync(bundle, { recursive: true });
});
/** The folder of a freshly built bundle, its hash, its version and the installer; built once per test file. */
export function agentBundle(): string {
  if (bundle === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-'));
    execFileSync(process.execPath, [join(repository, 'scripts/build-agent.mjs'), folder]);
    bundle = folder;
  }
  return bundle;
}

export type Ended = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

/** A program in a process of its own, started by a test. */
export class Program {
  stdout = '';
  stderr = '';
  /** Rejects when it told the value of a secret. */
  readonly ended: Promise<Ended>;

  constructor(readonly child: ChildProcess) {
    running.add(child);
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = once(child, 'close').then(([code, signal]) => {
      running.delete(child);
      expectNoTrace('what a program printed', this.stdout + this.stderr);
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
  }
}

export type ProgramOptions = { env?: Record<string, string>; stdin?: string; preload?: string; cwd?: string };

/** Runs the bundled agent. Its environment is what is given, PATH, and a runtime folder apart from this machine's. */
export function startAgentProgram(args: string[], options: ProgramOptions = {}): Program {
  const preload = options.preload === undefined ? [] : ['--import', options.preload];
  const child = spawn(process.execPath, [...preload, join(agentBundle(), 'gatehouse-agent.mjs'), ...args], {
    env: { PATH: process.env['PATH'] ?? '', XDG_RUNTIME_DIR: agentBundle(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.stdin?.end(options.stdin ?? '');
  return new Program(child);
}

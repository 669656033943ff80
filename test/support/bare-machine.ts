import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program } from './agent-process.js';

const COREUTILS = ['cat', 'chmod', 'id', 'mkdir', 'mv', 'printf', 'rm', 'uname'];

/** A machine with node and coreutils alone on its PATH, a place to install to, and an empty folder to work in. */
export class BareMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-machine-'));
  readonly bin = join(this.folder, 'bin');
  readonly empty = join(this.folder, 'empty');
  readonly prefix = join(this.folder, 'prefix');
  private readonly programs: Program[] = [];

  constructor() {
    mkdirSync(this.bin);
    mkdirSync(this.empty);
    for (const name of COREUTILS)
      symlinkSync(existsSync(`/usr/bin/${name}`) ? `/usr/bin/${name}` : `/bin/${name}`, join(this.bin, name));
    symlinkSync(process.execPath, join(this.bin, 'node'));
  }

  /** Runs a line in a shell, as a process group of its own. */
  shell(line: string, env: Record<string, string> = {}): Program {
    const child = spawn('/bin/sh', ['-c', line], {
      cwd: this.empty,
      detached: true,
      env: { PATH: this.bin, PREFIX: this.prefix, HOME: this.folder, XDG_RUNTIME_DIR: this.folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const program = new Program(child);
    this.programs.push(program);
    return program;
  }

  /** Signals everything that a line started. */
  signal(program: Program, signal: NodeJS.Signals): void {
    process.kill(-(program.child.pid ?? 0), signal);
  }

  /** What the installed agent keeps. */
  state(): Record<string, unknown> {
    return JSON.parse(readFileSync(join(this.prefix, 'var/lib/gatehouse-agent/config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
  }

  async remove(): Promise<void> {
    for (const program of this.programs) {
      if (program.child.exitCode === null && program.child.signalCode === null) this.signal(program, 'SIGKILL');
      await program.ended;
    }
    rmSync(this.folder, { recursive: true });
  }
}

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BundleRun } from '#contracts';
import { BundleFolder } from '../../libs/agent/src/instance/bundle-folder.js';
import { processOf } from '../../libs/agent/src/instance/child.js';
import { type RunningBundle, Supervisor } from '../../libs/agent/src/instance/supervisor.js';
import { Log } from '../../libs/agent/src/log.js';
import { expectNoTrace } from './secret-values.js';
import { until } from './server.js';

/** A program that says in `$OUT` that it runs, with which version, and lives until it is ended. */
export const WAITING = 'echo "start $V" >> "$OUT"; while :; do sleep 100 & wait $!; done';

type Change = { run?: Partial<BundleRun>; config?: unknown; env?: Record<string, string> };

/** A supervisor with a real shell as its program, in a folder of its own. */
export class Supervised {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-supervised-'));
  readonly out = join(this.folder, 'out');
  readonly log: string[] = [];
  readonly bundles: BundleFolder;
  readonly supervisor: Supervisor;

  /** @param script what /bin/sh does; `$OUT` is a file for what it has to say */
  constructor(script: string, { command = ['/bin/sh', '-c', script] }: { command?: string[] } = {}) {
    const log = new Log((line) => this.log.push(line), 'DEBUG');
    this.bundles = BundleFolder.open({
      dir: join(this.folder, 'bundles'),
      env: {},
      configFile: join(this.folder, 'config.json'),
      log,
    });
    const env = { PATH: process.env['PATH'], OUT: this.out, INHERITED: 'yes' };
    this.supervisor = new Supervisor({ command, env, folder: this.bundles, log });
  }

  /** Writes a version; its number is in `$V` and in the configuration. */
  async bundle(version: number, { run, config = { version }, env }: Change = {}): Promise<RunningBundle> {
    const folder = await this.bundles.write({ version, files: [], config, dependencies: [] });
    return {
      version,
      folder,
      env: { V: `${version}`, ...env },
      run: {
        onChange: 'restart',
        onRevoke: 'stop',
        onExpire: 'keep',
        ready: { afterSeconds: 0, timeoutSeconds: 60 },
        stopGraceSeconds: 60,
        offlineGraceSeconds: 0,
        ...run,
      },
    };
  }

  async start(version = 1, change: Change = {}) {
    return this.supervisor.start(await this.bundle(version, change));
  }

  async change(version: number, change: Change = {}) {
    return this.supervisor.change(await this.bundle(version, change));
  }

  /** What the program said, line by line. */
  said(): string[] {
    return existsSync(this.out) ? readFileSync(this.out, 'utf8').split('\n').slice(0, -1) : [];
  }

  async until(line: string): Promise<void> {
    await until(() => this.said().includes(line));
  }

  /** The versions that are written. */
  versions(): string[] {
    return readdirSync(this.bundles.path).filter((name) => /^\d/.test(name));
  }

  async remove(): Promise<void> {
    if (this.supervisor.isRunning) {
      void this.supervisor.stop('SIGKILL');
      await this.supervisor.ended;
    }
    rmSync(this.folder, { recursive: true });
    expectNoTrace('what a supervisor logged', this.log.join(''));
  }
}

/** Whether a process runs: one that has ended and waits for its parent to ask does not. */
export function runs(pid: number): boolean {
  const { state } = processOf(pid);
  return state !== undefined && state !== 'Z';
}

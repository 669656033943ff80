import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { SettingValue } from '../../libs/agent/src/config/settings.js';
import type { InstanceOptions } from '../../libs/agent/src/instance/enrolled.js';
import type { InstanceFacts } from '../../libs/agent/src/instance/instance-state.js';
import { pull } from '../../libs/agent/src/instance/pull.js';
import { Runner } from '../../libs/agent/src/instance/runner.js';
import { Log } from '../../libs/agent/src/log.js';
import { ManualClock, type Wait } from './manual-clock.js';
import { expectNoTrace } from './secret-values.js';

/** A program that notes in a marker file that it ran, and with what; it lives until it is told to end. */
const PROGRAM = `
const { appendFileSync } = require('node:fs');
const [marker, ...names] = process.argv.slice(1);
process.on('SIGTERM', () => { appendFileSync(marker, 'ended\\n'); process.exit(0); });
process.on('SIGHUP', () => appendFileSync(marker, 'hup\\n'));
appendFileSync(marker, 'ran ' + names.map((name) => process.env[name]).join(',') + '\\n');
setInterval(() => {}, 1e6);
`;

/** The state of one machine, on which runners are started one after the other, in this process, time standing still. */
export class Machine {
  readonly clock = new ManualClock();
  readonly lines: string[] = [];
  readonly folder: string;
  readonly marker = join(mkdtempSync(join(tmpdir(), 'gatehouse-ran-')), 'ran');
  private readonly runners = new Set<Runner>();

  /** @param within where the state and the bundle are kept, in a folder of their own */
  constructor(
    private readonly cli: Record<string, SettingValue>,
    within = tmpdir(),
  ) {
    this.folder = mkdtempSync(join(within, 'gatehouse-instance-'));
  }

  get configFile(): string {
    return join(this.folder, 'config.json');
  }

  /** @param names variables that the program notes */
  start(cli: Record<string, SettingValue> = {}, names: string[] = [], env: NodeJS.ProcessEnv = {}): Runner {
    const words = [process.execPath, '-e', PROGRAM, this.marker, ...names];
    const runner = new Runner(
      this.options({ bundleDir: join(this.folder, 'bundle'), ...this.cli, ...cli }, env),
      words,
    );
    this.runners.add(runner);
    void runner.done.then(() => this.runners.delete(runner));
    return runner;
  }

  /** `bundle pull`. @returns the folder of the files */
  async pull(cli: Record<string, SettingValue> = {}): Promise<string> {
    const out = join(this.folder, 'out');
    await pull(this.options(cli), out, undefined, new AbortController().signal);
    return out;
  }

  private options(cli: Record<string, SettingValue>, env: NodeJS.ProcessEnv = {}): InstanceOptions {
    return {
      configFile: this.configFile,
      cli: new Map(Object.entries({ wait: '0', ...this.cli, ...cli })),
      env: { PATH: process.env['PATH'], ...env },
      log: new Log((line) => this.lines.push(line)),
      readStdin: () => Buffer.alloc(0),
      clock: this.clock,
      random: () => 0.5,
      machineRoot: join(this.folder, 'machine'),
    };
  }

  /** What the program has noted. */
  get ran(): string[] {
    return existsSync(this.marker)
      ? readFileSync(this.marker, 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => line.trimEnd())
      : [];
  }

  get output(): string {
    return this.lines.join('');
  }

  file(): Record<string, unknown> {
    return JSON.parse(readFileSync(this.configFile, 'utf8')) as Record<string, unknown>;
  }

  get factsFile(): string {
    return join(this.folder, 'config.instance', 'instance.json');
  }

  facts(): InstanceFacts {
    return JSON.parse(readFileSync(this.factsFile, 'utf8')) as InstanceFacts;
  }

  changeFacts(change: Partial<InstanceFacts>): void {
    writeFileSync(this.factsFile, JSON.stringify({ ...this.facts(), ...change }));
  }

  waitsFor(what: string): Promise<Wait> {
    return this.clock.next(what);
  }

  /** Ends what still runs, and forgets what was noted. */
  async stopAll(): Promise<void> {
    for (const runner of this.runners) runner.signal('SIGTERM');
    await Promise.all([...this.runners].map((runner) => runner.done));
    rmSync(this.marker, { force: true });
  }

  async remove(): Promise<void> {
    await this.stopAll();
    for (const folder of [this.folder, dirname(this.marker)]) rmSync(folder, { recursive: true, force: true });
    expectNoTrace('what a runner logged', this.output);
  }
}

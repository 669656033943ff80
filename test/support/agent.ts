import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, type AgentOptions, runAgent } from '../../libs/agent/src/index.js';
import { ManualClock, type Wait } from './manual-clock.js';

/** An agent in this process, its state in a folder of its own, its time standing still unless `clock` says otherwise. */
export class TestAgent {
  readonly lines: string[] = [];
  readonly clock = new ManualClock();
  readonly agent: Agent;

  private constructor(
    readonly folder: string,
    options: Partial<AgentOptions>,
  ) {
    this.agent = runAgent({
      configFile: this.configFile,
      write: (line) => this.lines.push(line),
      random: () => 0.5,
      clock: this.clock,
      machineRoot: join(folder, 'machine'), // one without any facts, and no container
      ...options,
    });
  }

  /** @param file what the config file holds before the start */
  static start(
    cli: AgentOptions['cli'],
    options: Partial<AgentOptions> & { file?: object; folder?: string } = {},
  ): TestAgent {
    const { file, folder = mkdtempSync(join(tmpdir(), 'gatehouse-agent-')), ...rest } = options;
    if (file) writeFileSync(join(folder, 'config.json'), JSON.stringify(file), { mode: 0o600 });
    return new TestAgent(folder, { ...(cli === undefined ? {} : { cli }), ...rest });
  }

  get configFile(): string {
    return join(this.folder, 'config.json');
  }

  get output(): string {
    return this.lines.join('');
  }

  file(): Record<string, unknown> {
    return JSON.parse(readFileSync(this.configFile, 'utf8')) as Record<string, unknown>;
  }

  /** The next wait of this name; fails, with the log, when the agent ends instead. */
  async waitsFor(what: string): Promise<Wait> {
    const ended = this.agent.done.then((end) => {
      throw new Error(`the agent ended with ${end.code} instead of waiting for ${what}:\n${this.output}`);
    });
    return Promise.race([this.clock.next(what), ended]);
  }

  async remove(): Promise<void> {
    await this.agent.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

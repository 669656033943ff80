import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Program, startAgentProgram } from './agent-process.js';
import type { TestOrg } from './api.js';
import { until } from './server.js';

const PROGRAM = `
const { appendFileSync } = require('node:fs');
const note = (what) => appendFileSync(process.argv[1], what + '\\n');
process.on('SIGTERM', () => { note('ended'); process.exit(0); });
note('ran');
setInterval(() => {}, 1e6);
`;

/** A machine with its state, on which the real agent runs a program that notes in a marker file that it ran. */
export class InstanceMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-machine-'));
  readonly marker = join(this.folder, 'ran');
  private readonly programs: Program[] = [];

  constructor(
    private readonly org: TestOrg,
    readonly name: string,
  ) {}

  get state(): string {
    return join(this.folder, 'state', 'config.json');
  }

  run(args: string[], endpoint = this.org.root.url): Program {
    const options = [
      '--config-file',
      this.state,
      '--endpoint',
      endpoint,
      '--name',
      this.name,
      '--bundle-dir',
      join(this.folder, 'b'),
    ];
    const words = ['run', '--wait', '0', ...args, '--', process.execPath, '-e', PROGRAM, this.marker];
    const program = startAgentProgram([...options, ...words]);
    this.programs.push(program);
    return program;
  }

  get ran(): string[] {
    return existsSync(this.marker) ? readFileSync(this.marker, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** Fails, with what the agent said, when it ends instead. */
  async hasRun(program: Program, times = 1): Promise<void> {
    const ended = program.ended.then(({ code, stderr }) => {
      throw new Error(`ended with ${code}: ${stderr}`);
    });
    await Promise.race([ended, until(() => this.ran.filter((line) => line === 'ran').length === times)]);
    ended.catch(() => undefined);
  }

  async site(): Promise<{ siteId: number; status: string } | undefined> {
    return (await this.org.sites()).sites.find(({ name }) => name === this.name);
  }

  /** Runs the program, and stops it. @param applied once the server knows that it is ready */
  async once(args: string[], applied = false): Promise<void> {
    const before = this.ran.filter((line) => line === 'ran').length;
    const program = this.run(args);
    await this.hasRun(program, before + 1);
    if (applied) await until(async () => (await this.bundle())?.state === 'applied');
    program.child.kill('SIGTERM');
    const { code, stderr } = await program.ended;
    expect(code, stderr).toBe(0);
  }

  async bundle(): Promise<{ state: string; version: number } | undefined> {
    const site = await this.site();
    return site && (await this.org.root.expect('GET', `/site/${site.siteId}/bundle`));
  }

  async remove(): Promise<void> {
    for (const { child, ended } of this.programs) {
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

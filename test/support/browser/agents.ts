import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Program, startAgentProgram } from '../agent-process.js';

/** Real agents of machines that pages show, each with a folder of its own: started again, one goes on as it was. */
export class Agents {
  private readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-agents-'));
  private readonly running = new Set<Program>();

  constructor(private readonly url: string) {}

  /** @param hardwareId its machine, whatever it is called on the page */
  start(key: string, hardwareId: string, name: string): Program {
    const file = join(this.folder, `${hardwareId}.json`);
    const program = startAgentProgram(
      [
        '--config-file',
        file,
        '--endpoint',
        this.url,
        '--provisioning-key-file',
        '-',
        '--hardware-id',
        hardwareId,
        '--name',
        name,
      ],
      { stdin: key, env: { HOME: this.folder } },
    );
    this.running.add(program);
    return program;
  }

  async stop(program: Program): Promise<void> {
    program.child.kill('SIGTERM');
    await program.ended;
    this.running.delete(program);
  }

  async stopAll(): Promise<void> {
    for (const program of this.running) await this.stop(program);
  }

  async close(): Promise<void> {
    await this.stopAll();
    rmSync(this.folder, { recursive: true });
  }
}

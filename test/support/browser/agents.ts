import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Program, startAgentProgram } from '../agent-process.js';

/** Real agents of machines that pages show, each with a folder of its own: started again, one goes on as it was. */
export class Agents {
  private readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-agents-'));
  private readonly running = new Set<Program>();

  constructor(private readonly url: string) {}

  /** What the agent of a machine keeps. */
  private file = (hardwareId: string): string => join(this.folder, `${hardwareId}.json`);

  /**
   * @param hardwareId its machine, whatever it is called on the page
   * @param flags further ones
   */
  start(key: string, hardwareId: string, name: string, flags: string[] = []): Program {
    const program = startAgentProgram(
      [
        '--config-file',
        this.file(hardwareId),
        '--endpoint',
        this.url,
        '--provisioning-key-file',
        '-',
        '--hardware-id',
        hardwareId,
        '--name',
        name,
        ...flags,
      ],
      { stdin: key, env: { HOME: this.folder } },
    );
    this.running.add(program);
    return program;
  }

  /** Serial number of the certificate that a machine proves itself with, as servers write it. */
  certificate(hardwareId: string): string {
    const { certificate } = JSON.parse(readFileSync(this.file(hardwareId), 'utf8')) as { certificate: string };
    return new X509Certificate(certificate).serialNumber.toLowerCase();
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

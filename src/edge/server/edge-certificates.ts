import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Config, PeriodicTask } from '#platform';
import { HostTable } from '../routing/host-table.js';

const LOOK_MS = 5_000;
const NAME = /^((?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.crt$/;

interface Held {
  /** Changes when one of the two files does. */
  seen: string;
  context: SecureContext;
}

/** The certificates of EDGE_CERT_DIR: `<name>.crt` with its chain and `<name>.key`, PEM, where a name may be `*.example.com`. Read again when they change. */
@Injectable()
export class EdgeCertificates implements OnApplicationShutdown {
  private readonly logger = new Logger(EdgeCertificates.name);
  private readonly held = new Map<string, Held>();
  /** Said once for each state of a pair. */
  private readonly refused = new Map<string, string>();
  private readonly hosts = new HostTable<Held>();
  private readonly task = new PeriodicTask(EdgeCertificates.name, {
    failure: 'EDGE_CERT_DIR could not be read; the certificates of before are used on',
    everyMs: LOOK_MS,
    run: () => this.read(),
  });

  constructor(private readonly config: Config) {}

  /** Reads all, and goes on to look for changes. @throws where the folder cannot be read */
  async start(): Promise<void> {
    await this.read();
    this.task.wake(LOOK_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** @param name in lower case */
  contextOf(name: string): SecureContext | undefined {
    return this.hosts.find(name)?.context;
  }

  private async read(): Promise<void> {
    const folder = this.config.edge.certDir!;
    const names = (await readdir(folder)).flatMap((file) => NAME.exec(file)?.[1] ?? []);
    for (const [name, held] of this.held)
      if (!names.includes(name)) {
        this.held.delete(name);
        this.hosts.delete(name, held);
      }
    for (const name of names) await this.readPair(folder, name);
  }

  /** A pair that cannot be used leaves the one of before in its place: files are written one after the other. */
  private async readPair(folder: string, name: string): Promise<void> {
    const files = [join(folder, `${name}.crt`), join(folder, `${name}.key`)] as const;
    let seen = '';
    try {
      for (const file of files) {
        const { mtimeMs, size, ino } = await stat(file);
        seen += `${mtimeMs} ${size} ${ino} `;
      }
      if (this.held.get(name)?.seen === seen) return;
      const [cert, key] = await Promise.all(files.map((file) => readFile(file)));
      const held = { seen, context: createSecureContext({ cert, key }) };
      this.held.set(name, held);
      this.hosts.set(name, held);
      this.refused.delete(name);
    } catch (error) {
      if (this.refused.get(name) === seen) return;
      this.refused.set(name, seen);
      this.logger.warn(`The certificate of ${name} in EDGE_CERT_DIR cannot be used: ${(error as Error).message}`);
    }
  }
}

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import {
  type Dependency,
  DependencyCache,
  type DependencyOptions,
} from '../../libs/agent/src/instance/dependencies.js';
import { Log } from '../../libs/agent/src/log.js';
import { until } from './server.js';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export const CONTENT = randomBytes(200_000);
export const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

export function dependency(url: string, change: Partial<Dependency> = {}): Dependency {
  return { name: 'model', url, sha256: SHA256, size: CONTENT.length, ...change };
}

/** Servers on loopback that dependencies are fetched from, and a cache to fetch them into. */
export class FileServers {
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-dependencies-'));
  readonly cachePath = join(this.folder, 'dependencies');
  readonly part = join(this.cachePath, `${SHA256}.part`);
  /** Every request to any of them. */
  readonly asked: IncomingMessage[] = [];
  readonly log: string[] = [];
  private readonly servers: Server[] = [];

  /** @returns its URL */
  async serve(answer: Answer, tls?: { cert: string; key: string }): Promise<string> {
    const listener: Answer = (request, response) => {
      this.asked.push(request);
      answer(request, response);
    };
    const server = tls ? createTlsServer(tls, listener) : createServer(listener);
    return `${tls ? 'https' : 'http'}://127.0.0.1:${await this.listen(server)}`;
  }

  /** @returns its port */
  async listen(server: Server): Promise<number> {
    this.servers.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return (server.address() as AddressInfo).port;
  }

  cache(options: Partial<DependencyOptions> = {}): DependencyCache {
    const log = new Log((line) => this.log.push(line), 'DEBUG');
    return new DependencyCache({ folder: this.cachePath, allow: [], env: {}, log, ...options });
  }

  /** What an agent gets that fetches a dependency from there, and copies it. */
  async fetched(url: string, options: Partial<DependencyOptions> = {}, change: Partial<Dependency> = {}) {
    const cache = this.cache(options);
    const wanted = dependency(url, change);
    const { signal } = new AbortController();
    await cache.fetchAll([wanted], signal);
    const target = join(this.folder, `copy-${randomBytes(4).toString('hex')}`);
    await cache.copyTo(wanted, target, signal);
    return readFileSync(target);
  }

  /** Sends a part of the file, and breaks the connection when the agent has it. */
  sendPart(response: ServerResponse, content: Buffer, already = 0): void {
    response.write(content);
    const arrived = () => statSync(this.part, { throwIfNoEntry: false })?.size === already + content.length;
    void until(arrived, 2).then(() => response.destroy());
  }

  /** A server whose connection breaks after so many bytes of the content. */
  breaking(bytes: number, etag?: string): Answer {
    return (_, response) => {
      if (etag) response.setHeader('etag', etag);
      response.setHeader('content-length', CONTENT.length);
      this.sendPart(response, CONTENT.subarray(0, bytes));
    };
  }

  remove(): void {
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(this.folder, { recursive: true });
  }
}

/** What a server sends whole: with its length, and the part that was asked for when it still has that file. */
export const whole =
  (etag = '"1"', content = CONTENT): Answer =>
  ({ headers }, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    const partial = from > 0 && headers['if-range'] === etag;
    response.setHeader('etag', etag);
    response.setHeader('content-length', content.length - (partial ? from : 0));
    if (partial) response.writeHead(206, { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` });
    response.end(content.subarray(partial ? from : 0));
  };

/** One answer after the other; the last one again and again. */
export const inTurn = (...answers: Answer[]): Answer => {
  let at = 0;
  return (request, response) => answers[Math.min(at++, answers.length - 1)]!(request, response);
};

/** What a fetch is rejected with. */
export const failing = (reason: string, message: RegExp) =>
  expect.objectContaining({ reason, message: expect.stringMatching(message) });

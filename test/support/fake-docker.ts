import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type FakeContainer = { name: string; labels: Record<string, string>; ports?: number[] };

/** A Docker engine's API on a unix socket: the list of running containers and the stream of events. */
export class FakeDocker {
  readonly paths: string[] = [];
  private containers: FakeContainer[] = [];
  private readonly streams = new Set<ServerResponse>();
  private readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-docker-'));
  private server = this.makeServer();

  get socket(): string {
    return join(this.folder, 'docker.sock');
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(this.socket, resolve));
    return this;
  }

  /** What runs from now on; tells everyone who listens for events. */
  run(...containers: FakeContainer[]): void {
    this.containers = containers;
    for (const stream of this.streams) stream.write(`${JSON.stringify({ Type: 'container', Action: 'start' })}\n`);
  }

  /** The engine goes away, and may be started again. */
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    this.streams.clear();
    this.server = this.makeServer();
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private makeServer() {
    return createServer((request, response) => {
      const path = request.url ?? '';
      this.paths.push(path);
      if (path.startsWith('/events')) {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.flushHeaders();
        this.streams.add(response);
        response.on('close', () => this.streams.delete(response));
        return;
      }
      const list = this.containers.map(({ name, labels, ports = [80] }, i) => ({
        Id: `${i}`.padStart(64, 'a'),
        Names: [`/${name}`],
        Labels: labels,
        State: 'running',
        Ports: ports.map((port) => ({ PrivatePort: port, Type: 'tcp' })),
      }));
      response
        .writeHead(path === '/containers/json' ? 200 : 404, { 'content-type': 'application/json' })
        .end(JSON.stringify(list));
    });
  }
}

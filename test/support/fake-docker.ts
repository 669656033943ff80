import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type FakeContainer = { name: string; labels: Record<string, string>; ports?: number[] };

/** `tcp`: on a port of the loopback and not on a unix socket. `forbidden`: what a socket proxy answers with 403. */
export type FakeDockerOptions = { tcp?: true; tls?: { cert: string; key: string }; forbidden?: string[] };

/** A Docker engine's API, or a proxy of its socket: the list of running containers and the stream of events. */
export class FakeDocker {
  readonly paths: string[] = [];
  /** Paths that are answered with 403, by their beginnings. */
  forbidden: string[];
  private containers: FakeContainer[] = [];
  private readonly streams = new Set<ServerResponse>();
  private readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-docker-'));
  private server = this.makeServer();
  private port = 0;

  constructor(private readonly options: FakeDockerOptions = {}) {
    this.forbidden = options.forbidden ?? [];
  }

  /** Of one that listens on a port. */
  get authority(): string {
    return `127.0.0.1:${this.port}`;
  }

  get socket(): string {
    return join(this.folder, 'docker.sock');
  }

  async start(): Promise<this> {
    const { tcp, tls } = this.options;
    await new Promise<void>((resolve) =>
      tcp || tls ? this.server.listen(this.port, '127.0.0.1', resolve) : this.server.listen(this.socket, resolve),
    );
    if (tcp || tls) this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  /** What runs from now on; tells everyone who listens for events. */
  run(...containers: FakeContainer[]): void {
    this.containers = containers;
    for (const stream of this.streams) stream.write(`${JSON.stringify({ Type: 'container', Action: 'start' })}\n`);
  }

  /** Cuts off who listens for events, as a proxy does with a connection on which nothing happens. */
  cutEvents(): void {
    for (const stream of this.streams) stream.destroy();
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
    const answer: RequestListener = (request, response) => {
      const path = request.url ?? '';
      this.paths.push(path);
      if (this.forbidden.some((beginning) => path.startsWith(beginning))) {
        response.writeHead(403, { 'content-type': 'text/html' }).end('<html><body><h1>403 Forbidden</h1>');
        return;
      }
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
    };
    return this.options.tls ? createTlsServer(this.options.tls, answer) : createServer(answer);
  }
}

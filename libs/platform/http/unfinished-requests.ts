import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Counter } from 'prom-client';
import { addressBucket } from '../addresses.js';
import type { Config } from '../config/config.js';
import { socketBelow } from '../crypto/tls-internals.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { trustedProxies } from './trusted-proxies.js';

const TURN_MS = 1_000;
/**
 * Turns for which nobody is looked at. A turn has a whole pass of the event loop in it, so whatever had arrived was read: a fleet that
 * connects at once to a busy server waits for the server, and is not closed for it.
 */
const GRACE_TURNS = 10;

const closed = new Counter({
  name: 'gatehouse_unfinished_closed_total',
  help: 'Connections closed because too many had sent less than a whole request',
  labelNames: ['bound'],
});

export interface UnfinishedBounds {
  perAddress: number;
  total: number;
  /** Proxies: any number of visitors comes from their address. */
  isTrusted(address: string): boolean;
}

export const unfinishedBounds = (config: Config): UnfinishedBounds => ({
  perAddress: config.http.unfinishedPerAddress,
  total: config.http.unfinishedTotal,
  isTrusted: trustedProxies(config),
});

/**
 * Connections on which a request has begun and not arrived: nothing sent yet, in a TLS handshake, half of the headers, half of a body.
 * They cost their sender nothing and the server a descriptor each. Beyond a share per address and a total the oldest are closed.
 * Connections whose requests are whole do not count, idle ones and websockets included: ten thousand devices may share an address.
 */
export class UnfinishedRequests {
  /** Since which turn. */
  private readonly unfinished = new Map<Socket, number>();
  /** Between two requests, with the bytes that had been read after the last: more of them are the next request. */
  private readonly between = new Map<Socket, number>();
  /** Below connections in their TLS handshake. */
  private readonly handshakes = new Set<Socket>();
  private turn = 0;
  private passed = true;

  /** @param refuse answers a connection that has sent something, and ends it */
  constructor(
    private readonly bounds: UnfinishedBounds,
    private readonly refuse: (socket: Socket) => void,
  ) {}

  /** Watches servers, HTTP or HTTPS, until the first one closes. */
  watch(servers: Server[]): void {
    for (const server of servers) this.follow(server);
    const task = new PeriodicTask(UnfinishedRequests.name, {
      failure: 'Unfinished requests could not be counted',
      everyMs: TURN_MS,
      run: () => this.sweep(),
    });
    task.wake(TURN_MS);
    servers[0]?.once('close', () => void task.stop());
  }

  /** The same without a clock. */
  follow(server: Server): void {
    const isTls = 'setSecureContext' in server;
    server.on('connection', (socket) => {
      this.unfinished.set(socket, this.turn);
      if (isTls) this.handshakes.add(socket);
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      const below = socketBelow(socket);
      this.handshakes.delete(below);
      this.unfinished.set(socket, this.unfinished.get(below) ?? this.turn);
      this.unfinished.delete(below);
    });
    server.prependListener('request', (request: IncomingMessage) => {
      if (hasBody(request)) request.once('end', this.onEnd);
      else this.arrived(request.socket);
    });
    server.prependListener('upgrade', ({ socket }: IncomingMessage) => {
      this.unfinished.delete(socket);
      this.between.delete(socket);
    });
  }

  /** One turn: closes what is beyond the bounds, oldest first. */
  sweep(): void {
    // Two turns of the clock without a pass of the event loop between them are one.
    if (!this.passed) return;
    this.passed = false;
    setImmediate(() => (this.passed = true)).unref();
    this.turn++;
    for (const socket of this.handshakes) if (socket.destroyed) this.handshakes.delete(socket);
    for (const [socket, bytes] of this.between) {
      if (!socket.destroyed && socket.bytesRead === bytes) continue;
      this.between.delete(socket);
      if (!socket.destroyed) this.unfinished.set(socket, this.turn);
    }
    const late: { socket: Socket; since: number; source: string }[] = [];
    const shares = new Map<string, number>();
    for (const [socket, since] of this.unfinished) {
      if (socket.destroyed) this.unfinished.delete(socket);
      else if (this.turn - since >= GRACE_TURNS) {
        const source = this.sourceOf(socket);
        late.push({ socket, since, source });
        shares.set(source, (shares.get(source) ?? 0) + 1);
      }
    }
    let beyond = late.length - this.bounds.total;
    for (const { socket, source } of late.sort((a, b) => a.since - b.since)) {
      const share = shares.get(source)!;
      const bound = beyond > 0 ? 'total' : source !== TRUSTED && share > this.bounds.perAddress ? 'address' : undefined;
      if (bound === undefined) continue;
      beyond--;
      shares.set(source, share - 1);
      closed.inc({ bound });
      this.close(socket);
    }
  }

  private close(socket: Socket): void {
    this.unfinished.delete(socket);
    if (socket.bytesRead > 0 && !this.handshakes.has(socket)) this.refuse(socket);
    else socket.destroy();
  }

  private arrived(socket: Socket): void {
    this.unfinished.delete(socket);
    this.between.set(socket, socket.bytesRead);
  }

  /** Shared by all requests. */
  private readonly onEnd = ((unfinished: UnfinishedRequests) =>
    function (this: IncomingMessage) {
      unfinished.arrived(this.socket);
    })(this);

  private sourceOf({ remoteAddress = '' }: Socket): string {
    return this.bounds.isTrusted(remoteAddress) ? TRUSTED : addressBucket(remoteAddress);
  }
}

const TRUSTED = 'proxies';
const hasBody = ({ headers }: IncomingMessage) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

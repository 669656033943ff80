import type { Server } from 'node:http';
import type { Http2Server, ServerHttp2Session } from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { Injectable, Logger } from '@nestjs/common';
import { Config, Drain, PeriodicTask, Readiness, trustedProxies } from '#platform';
import { RouteLoader } from '../routing/route-loader.js';
import { EdgeCertificates } from './edge-certificates.js';
import { EdgeConnections } from './edge-connections.js';
import { EdgeHandler } from './edge-handler.js';
import { createEdgeHttp1 } from './edge-http1.js';
import { createEdgeHttp2 } from './edge-http2.js';
import { EdgeSockets } from './edge-sockets.js';
import { Forwarder } from './forwarder.js';
import { TargetDialer } from './target-dialer.js';

const BACKLOG = 8192;
const LOOK_MS = 1_000;
const HANDSHAKE_MS = 30_000;
const CLOSE_EVERY_MS = 50;
/** For answers that are under way when the server stops. */
const STOP_MS = 2_000;

/** Serves public resources: on EDGE_PORT HTTP/1.1, and HTTP/2 for who knows beforehand; on EDGE_TLS_PORT both over TLS. */
@Injectable()
export class EdgeListener {
  private readonly logger = new Logger(EdgeListener.name);
  private readonly connections: EdgeConnections;
  private readonly sessions = new Set<ServerHttp2Session>();
  private readonly http1: Server;
  private readonly http2: Http2Server;
  private readonly server: net.Server;
  private readonly tlsServer: net.Server;
  private readonly looks: PeriodicTask;

  constructor(
    handler: EdgeHandler,
    private readonly forwarder: Forwarder,
    private readonly dialer: TargetDialer,
    private readonly certificates: EdgeCertificates,
    private readonly config: Config,
    loader: RouteLoader,
    readiness: Readiness,
    drain: Drain,
  ) {
    this.http1 = createEdgeHttp1(handler);
    this.http2 = createEdgeHttp2(handler);
    this.http2.on('session', (session) => {
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session));
    });
    const trusts = trustedProxies(config);
    this.connections = new EdgeConnections(trusts);
    const sockets = new EdgeSockets(this.http1, this.http2, config.edge.proxyProtocol ? trusts : undefined);
    const take = (socket: Socket, secure?: tls.Server) => {
      if (this.connections.enter(socket)) sockets.take(socket, secure);
    };
    const secure = this.createTls((socket) => sockets.takeSecure(socket));
    this.server = net.createServer({ noDelay: true }, (socket) => take(socket));
    this.tlsServer = net.createServer({ noDelay: true }, (socket) => take(socket, secure));
    this.looks = new PeriodicTask(EdgeListener.name, {
      failure: 'Requests to the edge could not be looked at',
      everyMs: LOOK_MS,
      run: () => {
        forwarder.look();
        dialer.sweep();
      },
    });
    drain.register('finish requests', 'edge', () => this.finish());
    readiness.register('routes', () => {
      const age = Math.round(loader.ageSeconds);
      if (age === 0 || !config.cluster.roles.has('edge')) return 'ok';
      return { degraded: `changes of the last ${age} s may be missing` };
    });
  }

  /**
   * Opens the port.
   * @returns it; undefined where this process has no edge, or where nobody set EDGE_PORT and another program has the usual one
   * @throws the error of the system
   */
  async listen(): Promise<number | undefined> {
    const { cluster, edge } = this.config;
    if (!cluster.roles.has('edge')) return undefined;
    const { server } = this;
    try {
      await new Promise<void>((done, failed) =>
        server.once('error', failed).listen({ port: edge.port, host: edge.host, backlog: BACKLOG }, done),
      );
    } catch (error) {
      if (edge.portGiven || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      this.logger.warn(
        `Port ${edge.port} is in use by another program: public resources are not served. Set EDGE_PORT.`,
      );
      return undefined;
    }
    this.looks.wake(LOOK_MS);
    if (edge.tlsPort !== undefined) {
      await this.certificates.start();
      await new Promise<void>((done, failed) =>
        this.tlsServer.once('error', failed).listen({ port: edge.tlsPort, host: edge.host, backlog: BACKLOG }, done),
      );
    }
    return (server.address() as AddressInfo).port;
  }

  /** The port of EDGE_TLS_PORT, once it is open. */
  get tlsPort(): number | undefined {
    return (this.tlsServer.address() as AddressInfo | null)?.port;
  }

  /** Ends TLS with the certificate of the name that is asked for; who asks for none, or for one that there is none for, has no connection. */
  private createTls(take: (socket: tls.TLSSocket) => void): tls.Server {
    const server = tls.createServer({
      ALPNProtocols: ['h2', 'http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: HANDSHAKE_MS,
      SNICallback: (name, done) => {
        const context = this.certificates.contextOf(name.toLowerCase());
        if (context) done(null, context);
        else done(new Error('There is no certificate for this name'));
      },
    });
    server.on('secureConnection', take);
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  }

  /** Takes no more connections, waits for what is under way, and ends the rest. @returns what it had to leave */
  private async finish(): Promise<string | undefined> {
    this.server.close();
    this.tlsServer.close();
    for (const session of this.sessions) session.close();
    const until = performance.now() + STOP_MS;
    while (this.forwarder.size > 0 && performance.now() < until) {
      this.http1.closeIdleConnections();
      await delay(CLOSE_EVERY_MS, undefined, { ref: false });
    }
    await this.looks.stop();
    const left = this.forwarder.size;
    for (const socket of this.connections.open) socket.destroy();
    this.dialer.clear();
    return left > 0 ? `${left} requests to public resources were cut` : undefined;
  }
}

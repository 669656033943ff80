import http2, { type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { TUNNEL } from '#contracts';
import { Config, Drain, KeyRing } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import { FIRST_WINDOW } from '../tunnels/bounds.js';
import { TunnelRegistry } from '../tunnels/tunnel-registry.js';
import { joinHop, refuse, refuseMisdirected } from './hop-join.js';
import { HOP, HOP_TLS, readConnect } from './hop-wire.js';
import { SiteTeller } from './site-teller.js';

/** Connections whose handshake is not over; beyond it the oldest is closed. */
const MAX_UNPROVEN = 64;
const MAX_CONNECTIONS = 1_024;
const MAX_HEADER_BYTES = 8 * 1024;
const CONNECTION_WINDOW = 64 * 1024 * 1024;
/** Without a byte of the other process, which pings. */
const SILENT_MS = 4 * HOP.pingMs;

/**
 * The listener on HOP_PORT: leads other server processes to the tunnels of this one, and to nothing else. Only who holds a master key of the
 * installation gets in. What comes here is never passed on to a third process (docs/adr/0101).
 */
@Injectable()
export class HopListener implements OnApplicationBootstrap {
  private readonly tellers = new Set<SiteTeller>();
  private readonly sessions = new Set<ServerHttp2Session>();
  /** By the address and port of the other end. */
  private readonly unproven = new Map<string, Socket>();

  constructor(
    private readonly config: Config,
    private readonly keys: KeyRing,
    private readonly registry: TunnelRegistry,
    private readonly lease: ServerLease,
    private readonly drain: Drain,
  ) {}

  /** Opens the port where this process takes tunnels, and announces it. */
  async onApplicationBootstrap(): Promise<void> {
    const { cluster, tunnels } = this.config;
    if (!cluster.roles.has('agents')) return;
    const server = this.createServer();
    await new Promise<void>((done, failed) => server.once('error', failed).listen(tunnels.hop, done));
    const { address, port } = server.address() as AddressInfo;
    this.registry.onChange((siteId) => {
      for (const teller of this.tellers) teller.note(siteId);
    });
    this.lease.announceHop(address, port, () => this.registry.size);
    // Later than tunnels, through which these streams go.
    this.drain.register('finish requests', 'hops of others', () => {
      server.close();
      for (const session of this.sessions) session.destroy();
    });
  }

  private createServer(): http2.Http2SecureServer {
    const server = http2.createSecureServer({
      ...HOP_TLS,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HOP.handshakeMs,
      pskCallback: (_socket, identity) => this.keys.hopKeys.find((one) => one.identity === identity)?.key ?? null,
      maxSessionMemory: HOP.sessionMegabytes,
      maxHeaderListPairs: 32,
      settings: {
        enableConnectProtocol: true,
        initialWindowSize: FIRST_WINDOW,
        maxConcurrentStreams: HOP.streams,
        maxHeaderListSize: MAX_HEADER_BYTES,
      },
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket: Socket) => this.boundUnproven(socket));
    server.on('secureConnection', (socket: TLSSocket) => {
      this.unproven.delete(placeOf(socket));
      socket.on('error', () => undefined).setNoDelay(true);
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    server.on('session', (session) => this.begin(session));
    server.on('sessionError', () => undefined);
    server.on('stream', (stream, headers) => this.take(stream, headers));
    return server;
  }

  private boundUnproven(socket: Socket): void {
    const { unproven } = this;
    const place = placeOf(socket);
    const [oldest] = unproven.values();
    if (unproven.size >= MAX_UNPROVEN) oldest!.destroy();
    unproven.set(place, socket);
    socket.once('close', () => unproven.delete(place));
  }

  private begin(session: ServerHttp2Session): void {
    this.sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on('error', () => undefined);
    session.on('close', () => this.sessions.delete(session));
    session.setTimeout(SILENT_MS, () => session.destroy());
  }

  private take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => undefined);
    if (headers[':method'] === 'GET' && headers[':path'] === HOP.sitesPath) return this.tellSites(stream);
    const asked = readConnect(headers);
    if (!asked) return refuse(stream, 'bad_request');
    const { site, target } = asked;
    const connection = this.registry.usable(site.siteId).find(({ owner }) => owner.orgId === site.orgId);
    if (!connection) return refuseMisdirected(stream);
    joinHop(stream, target.protocol === 'udp' ? connection.capsules(target) : connection.connect(target));
  }

  private tellSites(stream: ServerHttp2Stream): void {
    stream.respond({ ':status': 200, [TUNNEL.serverHeader]: this.lease.serverId });
    const teller = new SiteTeller(stream, this.registry.siteIds, (siteId) => this.registry.isUsable(siteId));
    this.tellers.add(teller);
    stream.resume().on('close', () => this.tellers.delete(teller));
  }
}

const placeOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

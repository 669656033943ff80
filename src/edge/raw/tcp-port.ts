import { createServer, type Server, type Socket } from 'node:net';
import { breakOff } from '#contracts';
import { plainAddress } from '#platform';
import { AddressBounds } from '../policy/address-bounds.js';
import { proxyHeader } from '../policy/proxy-protocol.js';
import { RawConnection } from './raw-connection.js';
import { type RawRefusal, rawOpen, rawOpened, rawRefused } from './raw-metrics.js';
import type { RawHost, RawPort } from './raw-port.js';
import { type RawRoute, RawTargets } from './raw-route.js';

const MOST = 10_000;
const MOST_OF_ADDRESS = 512;
const BACKLOG = 1024;

/** The port of a raw TCP resource. */
export class TcpPort implements RawPort {
  private targets: RawTargets;
  private readonly server: Server;
  private readonly open = new Set<RawConnection>();
  private readonly bounds = new AddressBounds(MOST, MOST_OF_ADDRESS);

  constructor(
    public route: RawRoute,
    private readonly host: RawHost,
  ) {
    this.targets = new RawTargets(route.targets);
    this.server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => this.take(socket));
  }

  get connections(): number {
    return this.open.size;
  }

  listen(address: string): Promise<void> {
    return new Promise((done, failed) =>
      this.server.once('error', failed).listen({ host: address, port: this.route.port, backlog: BACKLOG }, () => {
        // Of a single connection that could not be taken.
        this.server.off('error', failed).on('error', () => undefined);
        done();
      }),
    );
  }

  change(route: RawRoute): void {
    this.route = route;
    this.targets = new RawTargets(route.targets);
    for (const connection of this.open) if (connection.target && !this.targets.has(connection.target)) connection.cut();
  }

  look(): void {
    for (const connection of this.open) this.count(connection);
  }

  stop(): void {
    this.server.close();
  }

  close(): void {
    this.stop();
    for (const connection of this.open) connection.cut();
  }

  private take(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    const refuse = (reason: RawRefusal) => {
      rawRefused.inc({ protocol: 'tcp', reason });
      breakOff(socket.on('error', () => undefined));
    };
    // It has gone already.
    if (address === null) return void socket.destroy();
    if (this.host.isStale()) return refuse('stale');
    if (!this.bounds.enter(address)) return refuse('too_many');
    rawOpen.inc({ protocol: 'tcp' });
    const connection: RawConnection = new RawConnection(socket, () => {
      this.open.delete(connection);
      this.bounds.leave(address);
      this.count(connection);
      rawOpen.dec({ protocol: 'tcp' });
    });
    this.open.add(connection);
    void this.connect(connection, this.header(socket, address));
  }

  /** The next target is tried while none has had a byte. */
  private async connect(connection: RawConnection, header: Buffer | undefined): Promise<void> {
    const tried: number[] = [];
    while (!connection.isOver) {
      const { orgId } = this.route;
      const target = this.targets.choose((siteId) => this.host.sites.isReachable({ siteId, orgId }), tried);
      if (!target) {
        rawRefused.inc({ protocol: 'tcp', reason: tried.length > 0 ? 'refused' : 'no_target' });
        return connection.cut();
      }
      tried.push(target.targetId);
      const { siteId, ip, port } = target;
      const stream = this.host.sites.connect({ siteId, orgId }, { protocol: 'tcp', host: ip, port, payload: 'tcp' });
      if (stream && (await connection.join(target, stream, header))) return rawOpened.inc({ protocol: 'tcp' });
    }
  }

  private header(socket: Socket, address: string): Buffer | undefined {
    const { proxyVersion } = this.route;
    const own = plainAddress(socket.localAddress ?? '');
    if (proxyVersion === null || own === null) return undefined;
    const [source, destination] = [
      { address, port: socket.remotePort! },
      { address: own, port: socket.localPort! },
    ];
    return proxyHeader(proxyVersion === 1 ? 1 : 2, 'tcp', source, destination);
  }

  private count(connection: RawConnection): void {
    const { resourceId, orgId } = this.route;
    const bytes = connection.takeBytes();
    if (bytes.bytesIn + bytes.bytesOut === 0) return;
    this.host.count({ resourceId, orgId, siteId: connection.target?.siteId ?? null, ...bytes });
  }
}

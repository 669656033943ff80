import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { TargetFlow } from '../dialing/target-stream.js';
import { type Flow, FlowTable } from './flow-table.js';
import { rawBoundAnswers, rawOpen, rawOpened, rawRefused } from './raw-metrics.js';
import type { RawHost, RawPort } from './raw-port.js';
import { type RawRoute, type RawTarget, RawTargets } from './raw-route.js';

/** Of one flow, until it is known that it leads somewhere. */
const MAX_WAITING = 16 * 1024;
/** Of a datagram that waits, beside its payload: empty ones are not free. */
const DATAGRAM_COST = 64;
/** Of all answers that the system has not sent yet. */
const MAX_UNSENT = 4 * 1024 * 1024;

/** What leads to the target of one client. */
interface Way {
  target: RawTarget;
  flow: TargetFlow;
  isOpen: boolean;
  waiting: number;
  bytesIn: number;
  bytesOut: number;
}

/** The port of a raw UDP resource. */
export class UdpPort implements RawPort {
  /** Datagrams are not waited for. */
  readonly connections = 0;
  private targets: RawTargets;
  private socket: Socket | undefined;
  private stopped = false;
  private readonly flows: FlowTable<Way>;

  /** @param now a clock in milliseconds */
  constructor(
    public route: RawRoute,
    private readonly host: RawHost,
    now: () => number = () => performance.now(),
  ) {
    this.targets = new RawTargets(route.targets);
    this.flows = new FlowTable(now);
  }

  async listen(address: string): Promise<void> {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    await new Promise<void>((done, failed) =>
      socket.once('error', failed).bind({ port: this.route.port, address, exclusive: true }, () => {
        socket.off('error', failed).on('error', () => undefined);
        done();
      }),
    ).catch((error) => {
      socket.close();
      throw error;
    });
    this.socket = socket.on('message', (payload, from) => this.take(payload, from));
  }

  change(route: RawRoute): void {
    this.route = route;
    this.targets = new RawTargets(route.targets);
    for (const flow of this.flows) if (flow.way && !this.targets.has(flow.way.target)) this.end(flow);
  }

  look(): void {
    for (const flow of this.flows.expired()) this.end(flow);
    for (const { way } of this.flows) if (way) this.count(way);
  }

  stop(): void {
    this.stopped = true;
  }

  close(): void {
    this.socket?.close();
    this.socket = undefined;
    for (const flow of this.flows) this.end(flow);
  }

  private take(payload: Buffer, { address, port }: RemoteInfo): void {
    // Nobody can be answered there.
    if (port === 0) return;
    const reason = this.stopped ? 'stopping' : this.host.isStale() && 'stale';
    // What is open goes on.
    if (reason && !this.flows.get(address, port)?.way?.flow.isOpen) return rawRefused.inc({ protocol: 'udp', reason });
    const flow = this.flows.arrived(address, port, payload.length);
    if (!flow) return rawRefused.inc({ protocol: 'udp', reason: 'too_many' });
    if (flow.way && !flow.way.flow.isOpen) this.leave(flow);
    const way = (flow.way ??= this.open(flow));
    if (!way) {
      this.end(flow);
      return rawRefused.inc({ protocol: 'udp', reason: 'no_target' });
    }
    if (!way.isOpen && (way.waiting += payload.length + DATAGRAM_COST) > MAX_WAITING) return;
    way.bytesIn += payload.length;
    way.flow.send(payload);
  }

  private open(flow: Flow<Way>): Way | undefined {
    const { orgId } = this.route;
    const { sites } = this.host;
    const target = this.targets.choose((siteId) => sites.isReachable({ siteId, orgId }));
    if (!target) return undefined;
    const { siteId, ip, port } = target;
    const to = sites.connectUdp({ siteId, orgId }, { host: ip, port }, (payload) => this.answer(flow, way, payload));
    if (!to) return undefined;
    const way: Way = { target, flow: to, isOpen: false, waiting: 0, bytesIn: 0, bytesOut: 0 };
    rawOpen.inc({ protocol: 'udp' });
    to.opened.then(
      () => {
        way.isOpen = true;
        rawOpened.inc({ protocol: 'udp' });
      },
      () => {
        rawRefused.inc({ protocol: 'udp', reason: 'refused' });
        if (flow.way === way) this.end(flow);
      },
    );
    return way;
  }

  private answer(flow: Flow<Way>, way: Way, payload: Uint8Array): void {
    const { socket } = this;
    if (!socket || flow.way !== way) return;
    if (socket.getSendQueueSize() > MAX_UNSENT || !flow.mayAnswer(payload.length, this.flows.now()))
      return rawBoundAnswers.inc();
    way.bytesOut += payload.length;
    socket.send(payload, flow.port, flow.address, () => undefined);
  }

  private end(flow: Flow<Way>): void {
    this.flows.delete(flow);
    this.leave(flow);
  }

  private leave(flow: Flow<Way>): void {
    const { way } = flow;
    if (!way) return;
    flow.way = undefined;
    way.flow.close();
    this.count(way);
    rawOpen.dec({ protocol: 'udp' });
  }

  private count(way: Way): void {
    const { resourceId, orgId } = this.route;
    const { bytesIn, bytesOut } = way;
    if (bytesIn + bytesOut === 0) return;
    way.bytesIn = way.bytesOut = 0;
    this.host.count({ resourceId, orgId, siteId: way.target.siteId, bytesIn, bytesOut });
  }
}

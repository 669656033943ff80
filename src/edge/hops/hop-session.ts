import type { ClientHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Destination } from '#contracts';
import type { StreamTarget, TargetFlow, TargetSite, TargetStream } from '../dialing/target-stream.js';
import { ConnectSession } from '../tunnels/connect-session.js';
import { HOP, siteFields } from './hop-wire.js';

/** The other end is a process of the same program: streams that it has not closed yet are no attack. */
const BOUNDS = { streams: HOP.streams, ghosts: Number.POSITIVE_INFINITY, ghostBytes: Number.POSITIVE_INFINITY };

/** A connection to another server process, through which its tunnels are reached. */
export class HopSession extends ConnectSession {
  constructor(socket: TLSSocket) {
    super(socket, { bytesRead: () => socket.bytesRead, bytesWritten: () => socket.bytesWritten }, BOUNDS);
    // By `tellLeaving` of the other process.
    this.session.on('altsvc', (_alternative: string, _origin: string, streamId: number) => this.left.add(streamId));
  }

  /** Asks for the sites to which a tunnel of that process leads. */
  sites(): ClientHttp2Stream {
    return this.session.request({ ':method': 'GET', ':scheme': 'https', ':authority': 'hop', ':path': HOP.sitesPath });
  }

  /** As a tunnel does. */
  connectSite(site: TargetSite, target: StreamTarget): TargetStream {
    return this.connect(target, siteFields(site));
  }

  /** As a tunnel does. */
  connectSiteUdp(
    site: TargetSite,
    to: Omit<Destination, 'protocol'>,
    received: (payload: Uint8Array) => void,
  ): TargetFlow {
    return this.connectUdp(to, received, siteFields(site));
  }
}

import { connect, type TLSSocket } from 'node:tls';
import { HopSession } from './hop-session.js';
import { HOP, HOP_TLS, SiteReader } from './hop-wire.js';

const RETRY_MS = { first: 50, most: 1_000 };

/** Another server process: keeps a connection to it, and knows to which sites its tunnels lead while there is one. */
export class HopPeer {
  /** Sites that can be reached through it. */
  readonly sites = new Set<number>();
  private current: HopSession | undefined;
  private dialing: TLSSocket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private stopped = false;

  /**
   * @param address `host:port`
   * @param keys asked at each attempt; which of them the other process holds shows by trying
   */
  constructor(
    readonly address: string,
    private readonly keys: () => { identity: string; key: Buffer }[],
  ) {
    this.dial();
  }

  /** The connection, while streams can be opened on it. */
  get session(): HopSession | undefined {
    return this.current?.isUsable ? this.current : undefined;
  }

  /** The connection, also while it begins or ends. */
  get anySession(): HopSession | undefined {
    return this.current;
  }

  /** Ends the connection, and makes no other one. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.dialing?.destroy();
    this.current?.end('server_stopped');
  }

  private dial(): void {
    const { hostname, port } = new URL(`tcp://${this.address}`);
    const keys = this.keys();
    const { identity, key } = keys[this.failures % keys.length]!;
    const socket = connect({
      ...HOP_TLS,
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port),
      ALPNProtocols: ['h2'],
      pskCallback: () => ({ identity, psk: key }),
      checkServerIdentity: () => new Error('Server processes prove by a key who they are'),
    });
    this.dialing = socket;
    const slow = setTimeout(() => socket.destroy(), HOP.handshakeMs);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(slow);
      if (this.dialing === socket) this.again();
    });
    socket.once('secureConnect', () => {
      clearTimeout(slow);
      // OpenSSL takes a connection by an external key for a resumed one, and others are not resumed here.
      if (!socket.isSessionReused() || socket.alpnProtocol !== 'h2') return void socket.destroy();
      this.dialing = undefined;
      void this.use(new HopSession(socket));
    });
  }

  private async use(session: HopSession): Promise<void> {
    this.current = session;
    void session.closed.then(() => {
      this.current = undefined;
      this.sites.clear();
      this.again();
    });
    await session.ready;
    if (!session.isUsable) return;
    this.failures = 0;
    const told = session.sites();
    const reader = new SiteReader(this.sites);
    told.setEncoding('utf8');
    told.on('data', (chunk: string) => reader.push(chunk)).on('error', () => undefined);
    // Without it nothing would be known of what that process holds.
    told.on('close', () => session.end('closed'));
    told.end();
  }

  private again(): void {
    this.dialing = undefined;
    if (this.stopped) return;
    const most = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** this.failures++);
    this.timer = setTimeout(() => this.dial(), most * (0.5 + Math.random() / 2)).unref();
  }
}

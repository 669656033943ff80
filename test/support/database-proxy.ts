import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to PostgreSQL that a test can cut: the server sees its database go away while the test still reaches it. */
export class DatabaseProxy {
  private readonly sockets = new Set<Socket>();
  private readonly pairs = new Map<Socket, Socket>();
  private held = false;
  private server: Server | undefined;
  private port = 0;

  private constructor(private readonly target: URL) {}

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const proxy = new DatabaseProxy(new URL(databaseUrl));
    await proxy.restore();
    return proxy;
  }

  /** For the server under test. */
  get url(): string {
    const url = new URL(this.target);
    url.search = '';
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** Breaks every connection and refuses new ones. */
  async cut(): Promise<void> {
    const closed = once(this.server!, 'close');
    this.server!.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  async restore(): Promise<void> {
    this.server = createServer((client) => this.join(client));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as { port: number }).port;
  }

  /** Lets nothing through any more, and breaks nothing: as a network that lost its way, or a machine that is stopped. */
  hold(): void {
    this.held = true;
    for (const [from, to] of this.pairs) from.unpipe(to).pause();
  }

  /** What was held arrives. */
  release(): void {
    this.held = false;
    for (const [from, to] of this.pairs) from.pipe(to);
  }

  async stop(): Promise<void> {
    if (this.server?.listening) await this.cut();
  }

  private join(client: Socket): void {
    const folder = this.target.searchParams.get('host');
    const upstream = folder
      ? connect(`${folder}/.s.PGSQL.${this.target.port || 5432}`)
      : connect(Number(this.target.port || 5432), this.target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.sockets.delete(from);
        this.pairs.delete(from);
        to.destroy();
      });
      this.pairs.set(from, to);
      if (!this.held) from.pipe(to);
    }
  }
}

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const SSL_REQUEST = 80877103;
const READY = 0x5a;
const IDLE = 0x49;

/**
 * A pooler per transaction in front of PostgreSQL, with one connection for everybody: what a client sends goes to it, and what it answers
 * goes back to that client, until PostgreSQL says that no transaction is open. A notice that nobody waits for is dropped, as PgBouncer does.
 */
export class TransactionPooler {
  private server!: Server;
  private backend!: Socket;
  /** The client whose transaction the backend runs, and those that wait for their turn. */
  private linked: Socket | undefined;
  private readonly waiting: { client: Socket; bytes: Buffer }[] = [];
  private readonly sockets = new Set<Socket>();
  private greeting = Buffer.alloc(0);

  private constructor(private readonly target: URL) {}

  static async start(databaseUrl: string): Promise<TransactionPooler> {
    const pooler = new TransactionPooler(new URL(databaseUrl));
    await pooler.listen();
    return pooler;
  }

  get url(): string {
    const url = new URL(this.target);
    url.search = '';
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as { port: number }).port);
    return url.href;
  }

  async stop(): Promise<void> {
    this.server.close();
    for (const socket of [...this.sockets, this.backend]) socket?.destroy();
  }

  private async listen(): Promise<void> {
    this.server = createServer((client) => this.greet(client));
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  /** The first client logs in at the backend itself; later ones are let in with what it was told. */
  private greet(client: Socket): void {
    this.sockets.add(client);
    client.on('error', () => undefined);
    client.on('close', () => {
      this.sockets.delete(client);
      if (this.linked === client) this.release();
    });
    let opened = false;
    client.on('data', (bytes: Buffer) => {
      if (opened) return this.send(client, bytes);
      if (bytes.length >= 8 && bytes.readUInt32BE(4) === SSL_REQUEST) return void client.write('N');
      opened = true;
      if (this.backend) return void client.write(this.greeting);
      this.connectBackend();
      this.send(client, bytes);
    });
  }

  private connectBackend(): void {
    const folder = this.target.searchParams.get('host');
    this.backend = folder
      ? connect(`${folder}/.s.PGSQL.${this.target.port || 5432}`)
      : connect(Number(this.target.port || 5432), this.target.hostname);
    this.backend.on('error', () => undefined);
    let rest = Buffer.alloc(0);
    let authenticated = false;
    this.backend.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 5 && rest.length >= 1 + rest.readUInt32BE(1)) {
        const message = rest.subarray(0, 1 + rest.readUInt32BE(1));
        rest = rest.subarray(message.length);
        const type = message[0];
        authenticated ||= type === 0x52 && message.readUInt32BE(5) === 0;
        if (authenticated && this.linked && !this.linked.destroyed) this.linked.write(message);
        else if (!authenticated) this.linked?.write(message);
        if (authenticated && this.open === undefined) this.greeting = Buffer.concat([this.greeting, message]);
        if (type === READY && message[5] === IDLE) {
          this.open = true;
          this.release();
        }
      }
    });
  }

  private open: true | undefined;

  private send(client: Socket, bytes: Buffer): void {
    // A farewell ends the client, not the connection that all share.
    if (bytes[0] === 0x58) return void client.end();
    if (this.linked !== undefined && this.linked !== client) return void this.waiting.push({ client, bytes });
    this.linked = client;
    this.backend.write(bytes);
  }

  private release(): void {
    this.linked = undefined;
    const next = this.waiting.shift();
    if (!next) return;
    this.send(next.client, next.bytes);
    // What the same client had sent behind it.
    for (let i = 0; i < this.waiting.length; ) {
      if (this.waiting[i]!.client === next.client) this.backend.write(this.waiting.splice(i, 1)[0]!.bytes);
      else i++;
    }
  }
}

import { WebSocket } from 'ws';

export interface Message {
  type: string;
  data: Record<string, unknown>;
  configVersion?: unknown;
}

export interface Refused {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: { code?: string; status?: number };
}

/** A session as a test drives it: a real websocket, and what it received. */
export class TestSession {
  readonly received: Message[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Protocol PONGs that arrived. */
  pongs = 0;
  private readonly waiting: { matches: (message: Message) => boolean; resolve: (message: Message) => void }[] = [];

  private constructor(readonly ws: WebSocket) {
    ws.on('message', (frame, isBinary) => {
      if (isBinary) throw new Error('The server sent a binary frame');
      const message = JSON.parse(frame.toString()) as Message;
      this.received.push(message);
      for (const waiter of this.waiting.splice(0)) {
        if (waiter.matches(message)) waiter.resolve(message);
        else this.waiting.push(waiter);
      }
    });
    ws.on('pong', () => this.pongs++);
    ws.on('error', () => undefined);
    this.closed = new Promise((resolve) =>
      ws.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
  }

  /** @throws Refused when the upgrade is answered with anything but 101. */
  static connect(wsUrl: string, token: string, options: { query?: boolean } = {}): Promise<TestSession> {
    const url = options.query ? `${wsUrl}?clientType=newt&token=${token}` : `${wsUrl}?clientType=newt`;
    return TestSession.over(
      new WebSocket(url, {
        perMessageDeflate: false,
        headers: options.query ? {} : { authorization: `Bearer ${token}` },
      }),
    );
  }

  /** Over a websocket that is being opened. @throws Refused when the upgrade is answered with anything but 101. */
  static over(ws: WebSocket): Promise<TestSession> {
    const session = new TestSession(ws);
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve(session));
      ws.once('error', reject);
      ws.once('unexpected-response', (request, response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          request.destroy();
          reject({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: JSON.parse(Buffer.concat(chunks).toString() || '{}'),
          } satisfies Refused);
        });
      });
    });
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  send(type: string, data?: unknown): void {
    this.ws.send(JSON.stringify({ type, data }));
  }

  /** Resolves with the first message of the type that satisfies the condition, received already or yet to come. */
  message(type: string, matches: (data: Record<string, unknown>) => boolean = () => true): Promise<Message> {
    const wanted = (message: Message) => message.type === type && matches(message.data);
    const there = this.received.find(wanted);
    return there ? Promise.resolve(there) : new Promise((resolve) => this.waiting.push({ matches: wanted, resolve }));
  }

  /** Everything that was sent before has been handled when this resolves. */
  async settled(): Promise<void> {
    const before = this.received.filter((m) => m.type === 'pong').length;
    this.send('newt/ping', {});
    await new Promise<void>((resolve) => {
      const look = () =>
        this.received.filter((m) => m.type === 'pong').length > before ? resolve() : void setImmediate(look);
      look();
    });
  }

  /** Says hello as Gatehouse's agent. @returns the welcome and the first state. */
  async hello(extra: Record<string, unknown> = {}): Promise<{ welcome: Message; state: Message }> {
    this.send('agent/hello', {
      protocol: 1,
      version: '0.1.0',
      capabilities: [],
      facts: { hostname: 'test' },
      ...extra,
    });
    return { welcome: await this.message('agent/welcome'), state: await this.message('agent/state') };
  }

  async close(): Promise<void> {
    this.ws.close(1000);
    await this.closed;
  }

  /** As if the cable were cut. */
  cut(): void {
    this.ws.terminate();
  }
}

import { randomBytes } from 'node:crypto';
import { WebSocket } from 'ws';

export interface NewtOptions {
  url: string;
  newtId: string;
  secret: string;
  version?: string;
  /** JSON text of a declarative blueprint (`--blueprint-file`). */
  blueprint?: string;
  /** JSON text of a blueprint that the process that made the exchange sends once (`--provisioning-blueprint-file`). */
  provisioningBlueprint?: string;
  disableClients?: boolean;
  /** What it answers when it is asked for its containers; absent: it has no Docker socket. */
  containers?: object[] | null;
}

interface Frame {
  type: string;
  data: unknown;
}

const READ_DEADLINE_MS = 60_000;
const PING_MS = 30_000;
const MAX_INTERVAL_SENDS = 16;
const chainId = () => randomBytes(8).toString('hex');

/**
 * An unmodified newt as docs/newt.md §2 has it, frame by frame: token before every dial, the first frames in random order, interval
 * sends that stop at the answer with their chain id, JSON ping and protocol PING every 30 s, a read deadline that only PONGs and messages
 * move. It never says hello and never reads a close code. What a real newt could not have borne is kept in `problems`.
 */
export class Newt {
  readonly problems: string[] = [];
  readonly received: { type: string; data: Record<string, unknown>; configVersion?: unknown }[] = [];
  /** Frames sent in this connection, in order. */
  readonly sent: string[] = [];
  configVersion = 0;
  pongs = 0;
  connections = 0;
  private ws: WebSocket | undefined;
  private readonly timers = new Set<NodeJS.Timeout>();
  private deadline: NodeJS.Timeout | undefined;
  private stopped = false;
  private readonly listeners = new Set<() => void>();

  constructor(readonly options: NewtOptions) {}

  /** The exchange of docs/newt.md §2.1, as newt 1.14+ makes it: once, any failure is fatal. */
  static async provision(
    url: string,
    provisioningKey: string,
    name?: string,
  ): Promise<{ newtId: string; secret: string }> {
    const response = await post(`${url}/api/v1/auth/newt/register`, { provisioningKey, ...(name ? { name } : {}) });
    const { data, success } = response.body as { data?: { newtId?: string; secret?: string }; success?: boolean };
    if (response.status < 200 || response.status > 299 || success !== true || !data?.newtId || !data.secret) {
      throw new Error(`provision newt credentials: ${response.status} ${JSON.stringify(response.body)}`);
    }
    return { newtId: data.newtId, secret: data.secret };
  }

  /** Dials once; resolves when the socket is open and the first frames are sent. Throws when token or socket is refused. */
  async connect(): Promise<void> {
    const { url, newtId, secret } = this.options;
    const answer = await post(`${url}/api/v1/auth/newt/get-token`, { newtId, secret });
    const { data, success } = answer.body as { data?: { token?: string; serverVersion?: string }; success?: boolean };
    if (answer.status !== 200 || success !== true || !data?.token)
      throw new Error(`failed to get token: ${answer.status} ${JSON.stringify(answer.body)}`);
    if (!data.serverVersion) this.problems.push('no serverVersion: newt disables its clients tunnel');
    const scheme = url.startsWith('https') ? 'wss' : 'ws';
    const ws = new WebSocket(
      `${scheme}://${new URL(url).host}/api/v1/ws?clientType=newt&token=${encodeURIComponent(data.token)}`,
      {
        perMessageDeflate: false,
      },
    );
    this.ws = ws;
    ws.on('message', (frame, isBinary) => this.onFrame(frame.toString(), isBinary));
    ws.on('pong', () => {
      this.pongs++;
      this.refresh();
    });
    ws.on('close', () => this.onClose());
    await new Promise<void>((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    this.connections++;
    this.sent.length = 0;
    this.refresh();
    this.firstFrames(Boolean(data.serverVersion) && !this.options.disableClients);
  }

  get isConnected(): boolean {
    return this.ws?.readyState === WebSocket.OPEN;
  }

  /** Resolves once a message of the type has arrived. */
  async message(type: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.received.find((m) => m.type === type);
      if (found) return found.data;
      await this.change();
    }
  }

  /** Resolves at the next message, PONG or close. */
  change(): Promise<void> {
    return new Promise((resolve) => this.listeners.add(resolve));
  }

  /** A document, as it is also sent when the file has changed. */
  apply(blueprint: string): void {
    this.send({ type: 'newt/blueprint/apply', data: { blueprint } });
  }

  /** Its containers, as it also sends them when one starts or stops. */
  tellContainers(): void {
    const { containers } = this.options;
    if (containers !== undefined) this.send({ type: 'newt/socket/containers', data: { containers } });
  }

  /** What it found out about targets; a newt always sends all. */
  tellHealth(statuses: Record<string, string>): void {
    const targets = Object.fromEntries(
      Object.entries(statuses).map(([id, status]) => [
        id,
        { status, lastCheck: new Date().toISOString(), checkCount: 1, lastError: '', config: { id: Number(id) } },
      ]),
    );
    this.send({ type: 'newt/healthcheck/status', data: { targets } });
  }

  /** Everything that was sent before has been handled when this resolves. */
  async settled(): Promise<void> {
    const pongs = this.received.filter((m) => m.type === 'pong').length;
    this.send({ type: 'newt/ping', data: {} });
    await this.messages('pong', pongs + 1);
  }

  /** Resolves once so many messages of the type have arrived. */
  async messages(type: string, count: number): Promise<Record<string, unknown>[]> {
    for (;;) {
      const found = this.received.filter((m) => m.type === type);
      if (found.length >= count) return found.map((m) => m.data);
      await this.change();
    }
  }

  /** The ping that a timer sends every 30 s, now. */
  pingNow(): void {
    this.send({ type: 'newt/ping', data: {} });
    this.ws?.ping();
  }

  /** SIGTERM: says goodbye, closes with 1000. */
  async stop(): Promise<void> {
    this.stopped = true;
    const { ws } = this;
    this.clear();
    if (!ws || ws.readyState !== WebSocket.OPEN) return;
    this.send({ type: 'newt/disconnecting', data: {} });
    const closed = new Promise<void>((resolve) => ws.once('close', () => resolve()));
    ws.close(1000);
    await closed;
  }

  private firstFrames(clients: boolean): void {
    const publicKey = randomBytes(32).toString('base64');
    const version = this.options.version ?? '1.15.0';
    const starts = [
      () => {
        this.pingNow();
        this.every(PING_MS, Number.POSITIVE_INFINITY, () => this.pingNow());
      },
      () =>
        this.interval(3000, 'newt/ping/exitNodes', (chain) => ({
          type: 'newt/ping/request',
          data: { noCloud: false, chainId: chain },
        })),
      ...(clients
        ? [
            () =>
              this.interval(2000, 'newt/wg/receive-config', (chain) => ({
                type: 'newt/wg/get-config',
                data: { publicKey, port: 51820, chainId: chain, localEndpoints: null },
              })),
          ]
        : []),
      () => {
        const { blueprint, provisioningBlueprint } = this.options;
        if (blueprint !== undefined) this.apply(blueprint);
        if (provisioningBlueprint !== undefined) this.apply(provisioningBlueprint);
        delete this.options.provisioningBlueprint;
      },
      () =>
        this.send({
          type: 'newt/wg/register',
          data: { publicKey, newtVersion: version, backwardsCompatible: true, chainId: chainId() },
        }),
    ];
    // Several goroutines: the order is not deterministic (docs/newt.md §2.5).
    for (let i = starts.length - 1; i > 0; i--) {
      const j = randomBytes(1)[0]! % (i + 1);
      [starts[i], starts[j]] = [starts[j]!, starts[i]!];
    }
    for (const start of starts) start();
  }

  /** First at once, then every `ms`, at most 16 times, until the answer with this chain id. */
  private interval(ms: number, answer: string, frame: (chain: string) => Frame): void {
    const chain = chainId();
    const answered = () =>
      this.received.some((m) => m.type === answer && (m.data['chainId'] === undefined || m.data['chainId'] === chain));
    this.send(frame(chain));
    this.every(ms, MAX_INTERVAL_SENDS - 1, () => !answered() && this.send(frame(chain)));
  }

  private every(ms: number, times: number, work: () => void): void {
    let left = times;
    const timer = setInterval(() => {
      work();
      if (--left <= 0) clearInterval(timer);
    }, ms);
    this.timers.add(timer);
  }

  send(frame: Frame): void {
    if (!this.isConnected) return;
    this.sent.push(frame.type);
    const version = frame.type === 'newt/ping' && this.configVersion > 0 ? { configVersion: this.configVersion } : {};
    this.ws!.send(JSON.stringify({ ...frame, ...version }));
  }

  private onFrame(text: string, isBinary: boolean): void {
    if (isBinary) this.problems.push('a binary frame, which must be gzip');
    this.refresh();
    const message = JSON.parse(text) as Newt['received'][number];
    const { configVersion } = message;
    if (typeof configVersion !== 'number' || !Number.isInteger(configVersion) || configVersion < 1) {
      this.problems.push(`${message.type} without a configVersion of at least 1: ${text}`);
    }
    this.configVersion = typeof configVersion === 'number' ? configVersion : 0;
    if (message.type === 'newt/ping/exitNodes' && !Array.isArray(message.data['exitNodes']))
      this.problems.push('exitNodes is not a list');
    if (message.type === 'newt/wg/connect') this.problems.push('newt/wg/connect without an exit node');
    this.received.push(message);
    if (message.type === 'newt/socket/fetch') this.tellContainers();
    this.wake();
  }

  private onClose(): void {
    this.clear();
    if (!this.stopped) this.problems.push('the server closed the connection');
    this.wake();
  }

  private refresh(): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => {
      this.problems.push('read deadline: neither a PONG nor a message within 60 s');
      this.ws?.terminate();
    }, READ_DEADLINE_MS);
    this.wake();
  }

  private wake(): void {
    for (const listener of [...this.listeners]) {
      this.listeners.delete(listener);
      listener();
    }
  }

  private clear(): void {
    clearTimeout(this.deadline);
    for (const timer of this.timers) clearInterval(timer);
    this.timers.clear();
  }
}

async function post(url: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-csrf-token': 'x-csrf-protection' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json().catch(() => null) };
}

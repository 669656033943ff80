import { createHash, randomUUID } from 'node:crypto';
import {
  type AgentHello,
  type BundleAck,
  type BundleKey,
  type BundlePayload,
  INSTANCE_PATHS,
  type LeasePayload,
  type LeaseRequest,
} from '#contracts';
import {
  envelope,
  envelopeError,
  type FakeRequest,
  FakeServer,
  type Reply,
  unusableCredential,
} from './fake-server.js';
import { Authority, sealed } from './instance-authority.js';

/**
 * A stand-in for the server's side of one instance (docs/instances.md §4): a bundle, leases in a chain, acknowledgements, trust. A test changes
 * what is offered, or replaces an answer by putting a function into `answers`.
 */
export class FakeInstances {
  readonly authority = new Authority();
  readonly acks: BundleAck[] = [];
  readonly leases: (LeaseRequest & { granted: string })[] = [];
  readonly requests: FakeRequest[] = [];
  /** What the bundle says beside its version; each change is another version. */
  offered: Partial<BundlePayload> = {};
  version = 2 ** 32 + 1;
  status: 'approved' | 'pending' = 'approved';
  clones = 0;
  /** In place of the answer to a path: undefined for the usual one. */
  answers: Partial<
    Record<keyof typeof INSTANCE_PATHS, (request: FakeRequest) => Reply | undefined | Promise<Reply | undefined>>
  > = {};
  /** Whether the answer to a path is lost, after the request was served. */
  lose: (path: keyof typeof INSTANCE_PATHS) => boolean = () => false;
  /** The claim's key of the only site. */
  private key: BundleKey | undefined;
  private fetched = new Map<number, string>();
  private chain: { last: string; before: string | null } | undefined;
  private over: { revocation: string; successions: string[] } | 'silent' | undefined;

  private constructor(readonly server: FakeServer) {}

  static async start(): Promise<FakeInstances> {
    const made = new FakeInstances(await FakeServer.start());
    const { server } = made;
    server.on.claim = (request, granted) => {
      made.key = request.bundleKey;
      const reply = granted();
      const { data } = reply.body as { data?: object };
      const { current, next } = made.authority;
      if (reply.status >= 300) return reply;
      return envelope(reply.status, { ...data, signingKeyThumbprint: current.kid, nextSigningKeyThumbprint: next.kid });
    };
    server.on.token = (_request, granted) => (made.over ? made.refusal() : granted());
    server.on.session = (session) =>
      session.socket.once('message', (frame) => {
        const { data } = JSON.parse(frame.toString()) as { data: AgentHello };
        made.key ??= data.bundleKey;
        session.welcome({ status: made.status });
        session.send('agent/state', made.state());
      });
    server.on.other = (request) => made.answer(request);
    return made;
  }

  get url(): string {
    return this.server.url;
  }

  /** The public half that bundles are sealed for, once it came. */
  get bundleKey(): BundleKey {
    if (!this.key) throw new Error('no bundle key came yet');
    return this.key;
  }

  state(): object {
    const bundle = this.status === 'approved' ? { bundle: { version: this.version } } : {};
    return { version: this.version - 2 ** 32, status: this.status, ...bundle };
  }

  /** Another version, told to whoever has a session. */
  offer(change: Partial<BundlePayload> = {}): void {
    this.version++;
    this.offered = change;
    this.tell();
  }

  tell(): void {
    for (const session of this.server.sessions) if (!session.closed) session.send('agent/state', this.state());
  }

  approve(): void {
    this.status = 'approved';
    this.tell();
  }

  /** The site is over. @param silent the 401 brings no statement */
  async revoke(silent = false): Promise<void> {
    const notice = { revocation: await this.authority.revocation(), successions: this.authority.successions };
    this.over = silent ? 'silent' : notice;
    for (const session of this.server.sessions) {
      if (session.closed) continue;
      if (!silent) session.send('agent/revoked', notice);
      session.socket.close(4003, 'revoked');
    }
  }

  /** What a revocation of this site says, as it travels. */
  async notice(): Promise<object> {
    return { revocation: await this.authority.revocation(), successions: this.authority.successions };
  }

  /** Nobody was ever here. */
  forget(): void {
    this.server.sites.length = this.server.claims.length = this.server.sessions.length = 0;
    this.acks.length = this.leases.length = this.requests.length = 0;
    this.key = this.chain = undefined;
  }

  unrevoke(): void {
    this.over = undefined;
  }

  async until(condition: () => boolean): Promise<void> {
    await this.server.until(condition);
  }

  /** The acknowledgement of this state for the version that is offered now. */
  async acknowledged(state: BundleAck['state'], version = this.version): Promise<BundleAck> {
    const found = () => this.acks.find((ack) => ack.state === state && ack.version === version);
    await this.until(() => found() !== undefined);
    return found() as BundleAck;
  }

  async statement(change: Partial<BundlePayload> = {}): Promise<string> {
    const payload = { ...this.authority.payload(this.bundleKey), ver: this.version, ...this.offered, ...change };
    return this.authority.statement(payload);
  }

  /** The usual answer with a bundle, or with what a test gives in its place. */
  bundleReply(token: string, etag = `"${this.version}"`): Reply {
    return {
      status: 200,
      body: token,
      headers: { 'content-type': 'application/jose', etag, 'cache-control': 'no-store' },
    };
  }

  leaseFor(request: LeaseRequest, change: Partial<LeasePayload> = {}): Promise<string> {
    const { nonce, prev, ver } = request;
    const digest = this.fetched.get(ver) ?? '';
    return this.authority.lease({ nonce, prev, ver, digest, ...change });
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }

  private refusal(): Reply {
    const reply = unusableCredential();
    if (this.over === 'silent' || this.over === undefined) return reply;
    return { ...reply, body: { ...(reply.body as object), data: this.over } };
  }

  private async answer(request: FakeRequest): Promise<Reply | undefined> {
    const path = (Object.keys(INSTANCE_PATHS) as (keyof typeof INSTANCE_PATHS)[]).find(
      (one) => INSTANCE_PATHS[one] === request.url,
    );
    if (path === undefined) return undefined;
    this.requests.push(request);
    const reply = (await this.answers[path]?.(request)) ?? (await this.usual(path, request));
    return this.lose(path) ? { ...reply, cut: true } : reply;
  }

  private async usual(path: keyof typeof INSTANCE_PATHS, request: FakeRequest): Promise<Reply> {
    if (!this.isOurs(request)) return unusableCredential();
    if (this.over) return this.refusal();
    if (path === 'trust') return envelope(200, this.authority.trust());
    if (path === 'bundleAck') {
      this.acks.push(JSON.parse(request.text) as BundleAck);
      return { status: 204 };
    }
    if (this.status === 'pending')
      return {
        status: 403,
        body: envelopeError(
          403,
          'pending_approval',
          'The site waits for its approval: operators find it as calm-otter-x1y2z',
        ),
        headers: { 'retry-after': '30' },
      };
    return path === 'bundle' ? this.bundle(request) : this.lease(request);
  }

  private async bundle({ headers }: FakeRequest): Promise<Reply> {
    const etag = `"${this.version}"`;
    if (headers['if-none-match'] === etag) return { status: 304, headers: { etag } };
    const statement = await this.statement();
    this.fetched.set(this.version, createHash('sha256').update(statement).digest('base64url'));
    return this.bundleReply(await sealed(statement, this.bundleKey), etag);
  }

  private async lease({ text }: FakeRequest): Promise<Reply> {
    const request = JSON.parse(text) as LeaseRequest;
    const jti = randomUUID();
    this.leases.push({ ...request, granted: jti });
    const { chain } = this;
    if (!chain || request.prev === chain.last) this.chain = { last: jti, before: chain?.last ?? null };
    else if (request.prev === chain.before) this.chain = { ...chain, last: jti };
    else {
      this.clones++;
      this.chain = { last: jti, before: chain.last };
    }
    return envelope(200, { lease: await this.leaseFor(request, { jti }) });
  }

  private isOurs({ headers }: FakeRequest): boolean {
    const [id, secret = ''] = Buffer.from((headers.authorization ?? '').replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':');
    return this.server.sites.some((site) => site.newtId === id && site.secrets.includes(secret));
  }
}

import { TUNNEL } from '../../../contracts/index.js';
import type { AgentContext } from '../context.js';
import type { OwnCredential } from '../credential/own-credential.js';
import type { ServerLink } from '../session/server-link.js';
import { tokenOnce } from '../session/token.js';
import { type Dial, type Dialed, TRANSPORTS, type Transport, TunnelRefused } from './tunnel-dial.js';

/** One token begins all connections that are dialed within this time; it lives five minutes. */
const TOKEN_MS = 120_000;

/** What tunnels have of the agent's context. */
export type TunnelContext = Pick<AgentContext, 'clock' | 'random' | 'log' | 'signal'>;
/** Where to dial, and with what. */
type Way = { link: ServerLink; token: string };

/** The ways to the server processes, and how they are dialed: where the session is, and the endpoints that the server has told (docs/tunnel.md rules 3 and 4). */
export class TunnelWays {
  /** One of each server process. */
  endpoints: readonly string[] = [];
  /** What passed last. */
  transport: Transport = TRANSPORTS[0];
  private token: { way: Promise<Way>; at: number } | undefined;

  constructor(
    private readonly context: TunnelContext,
    private readonly credential: Pick<OwnCredential, 'using'>,
    private readonly dial: Dial,
  ) {}

  /**
   * Connects to a process that is not taken: tries where the session is, and then the other endpoints, beginning anywhere among them, so that agents do not
   * all come to the same.
   * @returns undefined where there is only one process, or as many attempts as are due have found none. @throws as `toAny`, where the first attempt does
   */
  async toAnother(isTaken: (server: string) => boolean, signal: AbortSignal): Promise<Dialed | undefined> {
    const turn = this.context.random();
    for (let attempt = 0; attempt < TUNNEL.redials && this.endpoints.length > 1; attempt++) {
      try {
        const { link, token } = await this.way();
        const links = [link, ...this.others(link, turn)];
        const dialed = await this.connect(links[attempt % links.length]!, token, signal);
        if (!isTaken(dialed.server)) return dialed;
        dialed.duplex.destroy();
      } catch (error) {
        // Another process may be gone.
        if (attempt === 0 || signal.aborted) throw error;
      }
    }
    return undefined;
  }

  /** Connects to the process that answers where the session is. @throws TunnelRefused, CredentialRefused, NetworkFailure, the signal's reason */
  async toAny(signal: AbortSignal): Promise<Dialed> {
    const { link, token } = await this.way();
    return this.connect(link, token, signal);
  }

  /** The next connection is dialed with another token: this one may be of a credential that was replaced. */
  forgetToken(): void {
    this.token = undefined;
  }

  /** By the transport that passed last, else by the other. */
  private async connect(to: ServerLink, token: string, signal: AbortSignal): Promise<Dialed> {
    const order = [this.transport, ...TRANSPORTS.filter((one) => one !== this.transport)];
    let failure: unknown;
    for (const transport of order) {
      try {
        const dialed = await this.dial(to, transport, token, signal);
        this.transport = transport;
        return dialed;
      } catch (error) {
        if (error instanceof TunnelRefused || signal.aborted) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  /** Endpoints of other processes, in turn. One with plain HTTP is passed over where this agent's own has TLS. */
  private others(own: ServerLink, turn: number): ServerLink[] {
    const urls = [...new Set(this.endpoints)].flatMap((url) => (URL.canParse(url) ? [new URL(url)] : []));
    const links = urls
      .filter((url) => url.protocol === 'https:' || (url.protocol === 'http:' && !own.isEncrypted))
      .map((url) => own.to(url));
    const first = Math.floor(turn * links.length);
    return [...links.slice(first), ...links.slice(0, first)];
  }

  private way(): Promise<Way> {
    const now = this.context.clock.uptime();
    if (this.token && now - this.token.at < TOKEN_MS) return this.token.way;
    const way = this.credential.using(async (credential, link) => ({
      link,
      token: await tokenOnce(this.context, link, credential),
    }));
    this.token = { way, at: now };
    way.catch(() => {
      if (this.token?.way === way) this.token = undefined;
    });
    return way;
  }
}

import type { AgentCapability, AgentCredential } from '../../../contracts/index.js';
import { AgentExit } from '../cli/exit-codes.js';
import type { AgentContext } from '../context.js';
import { objectOf } from '../enrol/responses.js';
import { retry } from '../enrol/retry.js';
import { keptBundleKey } from '../instance/bundle-key.js';
import { describe, type ServerLink } from '../session/server-link.js';
import { CredentialRefused, tokenOnce } from '../session/token.js';
import {
  type Credential,
  current,
  type Lifetime,
  lifetimeOf,
  type NextCredential,
  nextOf,
  siteOf,
} from './credential.js';
import { askNext, NotRenewed, openSealed, readNext } from './renewal.js';

/**
 * The credential of this machine while it follows one after the other (docs/agent-protocol.md rule 50). The next one is on disk beside the current one
 * before it is used; it is the current one, on disk too, when the server has given a token or, where it has expired since, another credential for it.
 * None goes before that of which the server may still take it. So power lost at any moment leaves one that works.
 */
export class OwnCredential {
  private used: Credential;
  private link: ServerLink;
  /** What proved the credential in use, for the session that begins with it. */
  private fresh: string | undefined;
  /** The next credential that has expired and that the server would renew, but for what is said: it is tried again at the next start. */
  private unrenewed: { secret: string; refusal: CredentialRefused } | undefined;
  /** By which this machine knows its site, whatever its credential is by now. */
  readonly site: string;
  private queue: Promise<unknown> = Promise.resolve();
  /** Requests that have no answer yet. */
  private readonly begun = new Set<Promise<unknown>>();

  /**
   * @param plain the way to the server without a credential
   * @param keeps the state file is where the credential comes from, and where the next one can be put
   * @param replaced told after each replacement
   */
  constructor(
    private readonly context: AgentContext,
    private readonly plain: ServerLink,
    first: Credential,
    readonly keeps: boolean,
    private readonly replaced: (credential: Credential) => void = () => undefined,
  ) {
    this.used = first;
    this.link = plain.as(first);
    this.site = siteOf(context.readFile(), first.id);
    this.show();
  }

  get id(): string {
    return this.used.id;
  }

  get secret(): string {
    return this.used.secret;
  }

  get lifetime(): Lifetime {
    return this.keeps ? lifetimeOf(this.context.readFile(), this.used.id) : {};
  }

  /** What is said in the greeting. */
  get capabilities(): AgentCapability[] {
    return this.keeps ? ['credentials'] : [];
  }

  /** The way to the server that presents the credential where TLS does. */
  get way(): ServerLink {
    return this.link;
  }

  /** A session with the credential before is to give way to one with this. */
  get isNew(): boolean {
    return this.fresh !== undefined;
  }

  /**
   * The token of one session, of the next credential where there is one.
   * @param context of the session
   * @param until see {@link retry}
   * @throws CredentialRefused; AgentExit 69 after that, 78 when the server does not accept the credential's form
   */
  async token(context: AgentContext, until: number): Promise<string> {
    return retry(context, 'get-token', until, () =>
      this.using(async (credential, link) => this.takeFresh() ?? (await tokenOnce(this.context, link, credential))),
    );
  }

  private takeFresh(): string | undefined {
    const { fresh } = this;
    this.fresh = undefined;
    return fresh;
  }

  /**
   * Does what needs the credential: the next one, where there is one that was not proved yet, and never the one before. One that is refused is tried
   * again as the one that has taken its place meanwhile, or renewed where it has expired.
   * @throws what `attempt` does; CredentialRefused, also for one that has expired and is not renewed; NetworkFailure
   */
  async using<T>(attempt: (credential: Credential, link: ServerLink) => Promise<T>): Promise<T> {
    const { used, answer } = await this.begin(attempt);
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof CredentialRefused) || !(await this.follow(used, error))) throw error;
      return (await this.begin(attempt)).answer;
    }
  }

  /** A next credential whose proof has no answer may be the current one to the server: it comes first. */
  private begin<T>(
    attempt: (credential: Credential, link: ServerLink) => Promise<T>,
  ): Promise<{ used: Credential; answer: Promise<T> }> {
    return this.alone(async () => {
      await this.proveNext();
      const { used, link } = this;
      const answer = attempt(used, link);
      const over: Promise<unknown> = Promise.allSettled([answer]).then(() => this.begun.delete(over));
      this.begun.add(over);
      return { used, answer };
    });
  }

  /** Replaces the credential by one that it asks for. @throws CredentialRefused, NotRenewed, NetworkFailure, AgentExit 73 */
  renew(): Promise<void> {
    return this.alone(async () => {
      const { used } = this;
      await this.proveNext();
      if (this.used === used) await this.renewNow();
    });
  }

  /**
   * Takes the credential that a session has brought. What cannot be taken is said: the server offers it again to the next session.
   * @returns whether it was replaced
   */
  async offered(data: unknown): Promise<boolean> {
    const before = this.used;
    const { context } = this;
    if (!this.keeps) return false;
    try {
      await this.alone(async () => {
        await this.proveNext();
        const next = await this.readOffer(data);
        if (next === undefined) return this.renewNow();
        this.store(next);
        await this.proveNext();
      });
    } catch (error) {
      if (context.signal.aborted) return false;
      context.log.warn(`the next credential was not taken: ${describe(error)}`);
    }
    return this.used !== before;
  }

  private async readOffer(data: unknown): Promise<NextCredential | undefined> {
    const { credential, sealed } = objectOf(data) as AgentCredential;
    const { context, used } = this;
    if (credential === undefined && sealed === undefined) return undefined;
    const body =
      sealed === undefined
        ? credential
        : (JSON.parse(await openSealed(sealed, keptBundleKey(context.readFile()))) as unknown);
    return readNext(context, { body }, used);
  }

  /** @returns whether another credential is in use than the one that was refused. @throws CredentialRefused for one of which more is known */
  private async follow(refused: Credential, refusal: CredentialRefused): Promise<boolean> {
    if (!this.keeps) return false;
    await this.alone(async () => {
      if (this.used !== refused) return;
      await this.proveNext();
      if (this.used !== refused) return;
      if (refusal.isRenewable) {
        this.context.log.warn(`the credential of site ${this.site} has expired: renewing it`);
        try {
          await this.renewNow();
        } catch (error) {
          throw error instanceof NotRenewed ? this.expired(error, refusal) : error;
        }
      } else if (this.unrenewed && objectOf(refusal.data)['revocation'] === undefined) throw this.unrenewed.refusal;
    });
    return this.used !== refused;
  }

  private expired({ message }: NotRenewed, { data }: CredentialRefused): CredentialRefused {
    return new CredentialRefused(this.site, data, `it has expired, and ${message}`);
  }

  private async renewNow(): Promise<void> {
    this.store(await askNext(this.context, this.link, this.used));
    await this.proveNext(false);
  }

  /** @throws AgentExit 73: what is not on disk is not used */
  private store(next: NextCredential): void {
    this.context.log.hide(next.secret);
    this.context.updateFile({ next });
    this.show();
  }

  private show(): void {
    const { expiresAt = null, renewAt = null } = this.lifetime;
    const kind = this.used.certificate === undefined ? 'newt' : 'certificate';
    const next = this.keeps && nextOf(this.context.readFile()) !== undefined;
    this.context.status({ credential: { kind, expiresAt, renewAt, next } });
  }

  /**
   * One that is refused goes: another one was used first, or the site is over. One that has expired meanwhile may be the only one that the server still
   * takes, since the answer to its first use may have been lost: it is renewed. The first use ends the one before, at once where no overlap was asked for:
   * what has begun with that is answered first, or the server would take it for somebody else's (docs/credentials.md §3).
   * @param renews false for one that has just been issued
   */
  private async proveNext(renews = true): Promise<void> {
    const { context } = this;
    const next = this.keeps ? nextOf(context.readFile()) : undefined;
    if (next === undefined || next.secret === this.unrenewed?.secret) return;
    context.log.hide(next.secret);
    const link = this.plain.as(next);
    await Promise.all(this.begun);
    try {
      this.fresh = await tokenOnce(context, link, next);
    } catch (error) {
      if (!(error instanceof CredentialRefused)) throw error;
      return error.isRenewable ? this.renewNext(next, link, error, renews) : this.drop();
    }
    this.use(next, link);
    context.log.info(
      `site ${this.site} has another credential from now on${next.id === this.site ? '' : `, ${next.id}`}`,
    );
  }

  /** The one before stays until the server has renewed this one: where this was never used, that one may be good. */
  private async renewNext(
    next: NextCredential,
    link: ServerLink,
    refusal: CredentialRefused,
    renews: boolean,
  ): Promise<void> {
    const { context } = this;
    try {
      if (!renews) throw new NotRenewed('the server takes the one that it gave for expired, too');
      context.log.warn(`the next credential of site ${this.site} has expired: renewing it`);
      const another = await askNext(context, link, next);
      this.use(next, link);
      this.store(another);
    } catch (error) {
      if (error instanceof CredentialRefused) return this.drop();
      if (!(error instanceof NotRenewed)) throw error;
      context.log.warn(`the next credential is not renewed: ${error.message}; going on with the present one`);
      this.unrenewed = { secret: next.secret, refusal: this.expired(error, refusal) };
      return;
    }
    return this.proveNext(false);
  }

  private drop(): void {
    this.context.log.warn('the next credential is refused; going on with the present one');
    this.write({ next: undefined });
    this.show();
  }

  private use(credential: NextCredential, link: ServerLink): void {
    this.used = credential;
    this.link = link;
    this.write(current(credential, this.site));
    this.context.status({ newtId: credential.id });
    this.show();
    this.replaced(credential);
  }

  /** A disk that is full now changes nothing: the next start begins with the same step. */
  private write(changes: Parameters<AgentContext['updateFile']>[0]): void {
    try {
      this.context.updateFile(changes);
    } catch (error) {
      if (!(error instanceof AgentExit)) throw error;
      this.context.log.error(error.message);
    }
  }

  private alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.queue.then(work, work);
    this.queue = done.catch(() => undefined);
    return done;
  }
}

import { randomBytes } from 'node:crypto';
import type { BundleAck, RevocationPayload } from '../../../contracts/index.js';
import { AgentExit, EXIT } from '../cli/exit-codes.js';
import type { AgentContext } from '../context.js';
import { type Credential, NO_CREDENTIAL } from '../credential/credential.js';
import type { OwnCredential } from '../credential/own-credential.js';
import { describe, NetworkFailure } from '../session/server-link.js';
import { CredentialRefused } from '../session/token.js';
import { type AcceptedBundle, acceptBundle, acceptStored, type Expected } from './bundle.js';
import type { BundleKeyPair } from './bundle-key.js';
import type { DeviceApi } from './device-api.js';
import { credentialDigest, type FactChanges, type InstanceState } from './instance-state.js';
import { acceptLease } from './lease.js';
import { counted, leaseTaken, type Moment, momentOf } from './lease-time.js';
import { acceptRevocation, readNotice } from './revocation.js';
import { InvalidStatement, OvertakenStatement, thumbprint } from './statements.js';
import { pinned, signingKey, TrustChain, type TrustPath } from './trust.js';

/** How long a request for a lease is repeated as it was: somebody who holds its answer back gains that at most. */
const REPEATED_MS = 5 * 60_000;

/** A bundle that may be used, and as what it came. */
export type HeldBundle = AcceptedBundle & { token: string; etag: string | undefined };

/** The server has signed that this site is over: nothing of it starts here again. */
export class SiteRevoked extends AgentExit {
  constructor(site: string, reason: string) {
    super(EXIT.refused, `site ${site} is over, as the server has signed: ${reason}; nothing of it starts again`);
  }
}

/**
 * What an instance may start with, as it was verified and is kept (docs/instances.md §6). Whatever the server signs comes through here;
 * every method that asks it throws what {@link DeviceApi} does, InvalidStatement, and SiteRevoked.
 */
export class Instance {
  private trust: TrustChain | undefined;
  /** What could not be told yet. */
  private untold: BundleAck | undefined;
  private unheard = false;
  /** The request for a lease that has no answer yet, and since when. */
  private asked: { nonce: string; since: number } | undefined;

  /** @param fingerprint what to trust; '' for whoever signed the first bundle */
  constructor(
    private readonly context: AgentContext,
    private readonly state: InstanceState,
    private readonly credential: OwnCredential,
    private readonly key: BundleKeyPair,
    private readonly api: DeviceApi,
    fingerprint: string,
  ) {
    if (fingerprint !== '') this.trust = TrustChain.from(pinned(fingerprint), this.facts.trust);
    else if (this.facts.trust[0]) this.trust = TrustChain.from(this.facts.trust[0], this.facts.trust);
  }

  get facts() {
    return this.state.of(this.credential.site);
  }

  /**
   * Fetches the bundle and verifies it.
   * @param held the one in use, if it still is what the server has
   */
  fetch(held: HeldBundle | undefined): Promise<HeldBundle> {
    return upToDate(() => this.fetchOnce(held));
  }

  private async fetchOnce(held: HeldBundle | undefined): Promise<HeldBundle> {
    const fetched = await this.asking(() => this.api.bundle(held?.etag, this.context.signal));
    if (fetched === undefined) return held as HeldBundle;
    const { token, etag } = fetched;
    const accepted = await this.verifying((trust, lead) => acceptBundle(token, trust, lead, this.expected()));
    const { iss: org, sub: device } = accepted.payload;
    if (this.facts.org === undefined) this.state.note(this.credential.site, { org, device });
    return { ...accepted, token, etag };
  }

  /**
   * Takes or renews the lease for a bundle.
   * @returns false when the server has another bundle by now, or signs this one with another key, so that it is to be fetched
   */
  lease(bundle: AcceptedBundle): Promise<boolean> {
    return upToDate(() => this.leaseOnce(bundle));
  }

  private async leaseOnce({ payload: { ver, iss, sub }, digest }: AcceptedBundle): Promise<boolean> {
    const nonce = this.nonce();
    const prev = this.facts.lease?.jti ?? null;
    const token = await this.asking(() => this.api.lease({ nonce, prev, ver }, this.context.signal));
    const asked = { nonce, org: iss, device: sub, version: ver };
    const lease = await this.verifying((trust, lead) => acceptLease(token, trust, lead, asked));
    const time = leaseTaken(this.now(), lease.iat * 1000);
    this.asked = undefined;
    const { jti, iat, exp } = lease;
    this.change({ lease: { jti, seconds: exp - iat, time, iat }, refused: undefined });
    return lease.ver === ver && lease.digest === digest;
  }

  /** Of the request before, when its answer was lost: the chain goes on with one lease, whichever of the two the server reads first. */
  private nonce(): string {
    const now = this.context.clock.uptime();
    if (!this.asked || now - this.asked.since > REPEATED_MS)
      this.asked = { nonce: randomBytes(16).toString('base64url'), since: now };
    return this.asked.nonce;
  }

  /** Says what became of a bundle; what cannot be told now is told later. */
  async acknowledge({ payload, digest }: AcceptedBundle, state: 'fetched' | 'applied'): Promise<void> {
    this.untold = { version: payload.ver, digest, state };
    await this.tell();
  }

  /** The same of one that failed. The server is told first: it is noted here for people only, and a full disk may be why it failed. */
  async failed(version: number, digest: string, reason: string): Promise<void> {
    const at = new Date(this.context.clock.now()).toISOString();
    this.untold = { version, digest, state: 'failed', reason: reason.slice(0, 1000) };
    await this.tell();
    saidWhenNot(this.context, () => this.change({ failed: { version, reason, at } }));
  }

  /** What is to be told did not get through, though it may another time. */
  get isUnheard(): boolean {
    return this.unheard;
  }

  /** Tells what could not be told before. */
  async tell(): Promise<void> {
    const { untold } = this;
    if (untold === undefined) return;
    try {
      await this.api.acknowledge(untold, this.context.signal);
      if (this.untold === untold) this.untold = undefined;
      this.unheard = false;
    } catch (error) {
      this.unheard = error instanceof NetworkFailure;
      this.context.log.debug(`could not tell that bundle ${untold.version} is ${untold.state}: ${describe(error)}`);
    }
  }

  /** The program runs with this bundle, or will from the next start on: it is what counts, and is kept for the offline case. */
  applied(bundle: HeldBundle): void {
    const { ver, run } = bundle.payload;
    const applied = Math.max(this.facts.applied, ver);
    const failed = (this.facts.failed?.version ?? 0) > ver ? this.facts.failed : undefined;
    const changes = { applied, failed };
    if (run.offlineGraceSeconds > 0 && this.facts.bundle?.digest !== bundle.digest) return this.keep(bundle, changes);
    const stays = run.offlineGraceSeconds > 0 ? this.facts.bundle : undefined;
    const known = applied === this.facts.applied && failed === this.facts.failed && stays === this.facts.bundle;
    if (!known) this.change({ ...changes, bundle: stays });
    if (stays === undefined) this.state.removeBundles();
  }

  /** Keeps a first bundle before anything is known of it, so that a power cut is no reason to ask. */
  startsWith(bundle: HeldBundle): void {
    if (this.facts.bundle === undefined && bundle.payload.run.offlineGraceSeconds > 0) this.keep(bundle, {});
  }

  /** The bundle that is kept, verified again. @returns undefined when there is none that this machine can open */
  async stored(): Promise<HeldBundle | undefined> {
    const { bundle } = this.facts;
    const token = bundle && this.state.kept(bundle);
    if (!bundle || token === undefined || !this.trust) return undefined;
    try {
      const accepted = await acceptStored(token, this.trust, bundle.digest, this.expected());
      return { ...accepted, token, etag: bundle.etag };
    } catch (error) {
      if (!(error instanceof InvalidStatement)) throw error;
      this.context.log.warn(`the stored bundle is of no use: ${error.message}`);
      return undefined;
    }
  }

  /**
   * The bundle that this machine may start with while the server cannot be reached.
   * @throws AgentExit 69 that says why there is none
   */
  async offline(): Promise<HeldBundle> {
    const { lease, refused } = this.facts;
    const none = (why: string) => new AgentExit(EXIT.unreachable, `the server cannot be reached, and ${why}`);
    if (refused !== undefined) throw none(`it refused the credential at ${refused}: only the server can say otherwise`);
    const bundle = await this.stored();
    if (!bundle || !lease) throw none('nothing is stored that could start without it');
    this.count();
    if (this.left(bundle) < 0) throw none('the lease and its offline grace have ended');
    return bundle;
  }

  /** Milliseconds until lease and grace of a bundle end, negative after that. */
  left({ payload: { run } }: AcceptedBundle): number {
    return this.leaseMs + run.offlineGraceSeconds * 1000 - this.elapsed;
  }

  /** Milliseconds since the lease was taken. */
  get elapsed(): number {
    const { lease } = this.facts;
    return lease ? counted(lease.time, this.now()).elapsed : Number.POSITIVE_INFINITY;
  }

  /** Stores how long ago the lease was taken: what a clock has shown once is not forgotten. @throws AgentExit 73 */
  count(): void {
    const { lease } = this.facts;
    if (lease) this.change({ lease: { ...lease, time: counted(lease.time, this.now()) } });
  }

  /** How long the lease is, in milliseconds. */
  get leaseMs(): number {
    return (this.facts.lease?.seconds ?? 0) * 1000;
  }

  /**
   * Takes the server's word that the site is over: written first, then everything is erased that could start it.
   * @param data of a refusal, or a message of the session; may hold no statement at all
   * A disk that is full keeps nothing from ending: files can be removed there too.
   * @returns why, or undefined when there is no valid statement
   */
  async revoked(data: unknown): Promise<RevocationPayload | undefined> {
    const notice = readNotice(data);
    if (!notice || !this.trust) return undefined;
    let statement: RevocationPayload;
    try {
      const { org, device, lease, formerEnd } = this.facts;
      statement = await acceptRevocation(notice, this.trust, { org, device, leased: lease?.iat, formerEnd });
    } catch (error) {
      if (!(error instanceof InvalidStatement)) throw error;
      this.context.log.warn(`a revocation is not believed: ${error.message}`);
      return undefined;
    }
    const at = new Date(statement.iat * 1000).toISOString();
    const { site, secret } = this.credential;
    const revoked = { at, reason: statement.reason, credential: credentialDigest(secret) };
    // Session and refusal may bring it at one moment: what is there when the later one was verified may be of another claim.
    if (this.facts.revoked?.credential === revoked.credential) return statement;
    saidWhenNot(this.context, () => this.change({ revoked }));
    erase(this.context, this.state, site);
    return statement;
  }

  /** Only signed words count against the wall clock and the network; the machine's own clocks count the lease. */
  private now(): Moment {
    return momentOf(this.context.clock, this.context.machineRoot);
  }

  private expected(): Expected {
    const { org, device, applied } = this.facts;
    return { key: this.key, org, device, version: applied };
  }

  /** Asks the server, and takes a refusal for what it says. */
  private async asking<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof CredentialRefused) throw await this.refusal(error);
      throw error;
    }
  }

  /** What a refused credential means: a signed end of the site, or a word that forbids to start from what is stored. */
  async refusal(refused: CredentialRefused): Promise<AgentExit> {
    const statement = await this.revoked(refused.data);
    if (statement) return new SiteRevoked(this.credential.site, statement.reason);
    if (this.facts.refused === undefined) this.change({ refused: new Date(this.context.clock.now()).toISOString() });
    return refused;
  }

  private async verifying<T>(verify: (trust: TrustChain, lead: () => Promise<TrustPath>) => Promise<T>): Promise<T> {
    const lead = () => this.asking(() => this.api.trust(this.context.signal));
    this.trust ??= await this.trustOnFirstUse(await lead());
    try {
      return await verify(this.trust, lead);
    } finally {
      if (JSON.stringify(this.trust.keys) !== JSON.stringify(this.facts.trust))
        this.state.note(this.credential.site, { trust: [...this.trust.keys] });
    }
  }

  /** A machine that was enrolled before there were signing keys, and was not told which one to trust. */
  private trustOnFirstUse({ keys }: TrustPath): TrustChain {
    const key = signingKey(keys.at(-1));
    if (!key) throw new InvalidStatement('the server names no signing key to trust');
    const kid = thumbprint(key);
    this.context.log.info(`from here on the signing key that the server names is trusted, --trust-fingerprint ${kid}`);
    return TrustChain.from(pinned(kid), []);
  }

  private keep({ payload: { ver: version }, digest, token, etag }: HeldBundle, changes: FactChanges): void {
    this.state.keep(this.credential.site, { version, digest, ...(etag === undefined ? {} : { etag }) }, token, changes);
  }

  private change(changes: FactChanges): void {
    this.state.change(this.credential.site, changes);
  }
}

/** Asks once more for what was signed on the eve of a rotation of the signing key. */
export async function upToDate<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof OvertakenStatement) return ask();
    throw error;
  }
}

/** Removes everything that a site which is over could start from, after its revocation was written. Done again where it was cut short. */
function erase(context: AgentContext, state: InstanceState, site: string): void {
  state.removeBundles();
  saidWhenNot(context, () => state.change(site, { bundle: undefined }));
  saidWhenNot(context, () => context.updateFile({ ...NO_CREDENTIAL, bundleKey: undefined }));
}

function saidWhenNot({ log }: AgentContext, write: () => void): void {
  try {
    write();
  } catch (error) {
    log.error(describe(error));
  }
}

/**
 * What an earlier revocation says of this start.
 * @param credential what the machine would use; undefined when it is not enrolled
 * @param hasKey a provisioning key is given, which may claim a site anew
 * @throws AgentExit 77 when nothing may start
 */
export function checkRevoked(
  context: AgentContext,
  state: InstanceState,
  credential: Credential | undefined,
  hasKey: boolean,
): void {
  const { facts } = state;
  if (!facts?.revoked) return;
  const { at, reason, credential: over } = facts.revoked;
  const gone = new SiteRevoked(facts.site, `${reason} at ${at}`);
  if (credential && credentialDigest(credential.secret) === over) {
    erase(context, state, facts.site);
    throw gone;
  }
  if (!credential && !hasKey) throw gone;
  if (!credential) context.log.warn(`${gone.message}, unless the provisioning key that is given claims it anew`);
}

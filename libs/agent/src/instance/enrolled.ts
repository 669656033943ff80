import type { AgentHello } from '../../../contracts/index.js';
import { AgentExit, EXIT } from '../cli/exit-codes.js';
import { lastReport, type StatusReport, writeStatus } from '../cli/status-file.js';
import type { Clock } from '../clock.js';
import { claimIdentityOf, readState, sealState, updateConfigFile } from '../config/config-file.js';
import { endpointUrl, logLevel, type Resolved, resolveSettings, warningsAbout } from '../config/options.js';
import type { Settings, SettingValue } from '../config/settings.js';
import type { StateLock } from '../config/state-lock.js';
import { stateSeal } from '../config/state-seal.js';
import type { AgentContext } from '../context.js';
import { OwnCredential } from '../credential/own-credential.js';
import { trustedBy } from '../enrol/claim.js';
import {
  checkStart,
  claimsAnew,
  endOfRefused,
  enrolledAs,
  keepsCredential,
  obtainCredential,
  siteBefore,
  unusedKey,
} from '../enrol/enrolment.js';
import { ownState } from '../enrol/own-state.js';
import { type Patience, patienceOf } from '../enrol/retry.js';
import type { Log } from '../log.js';
import { greeting } from '../session/greeting.js';
import { ServerLink } from '../session/server-link.js';
import { type TlsOptions, tlsOptions } from '../session/tls.js';
import { CredentialRefused } from '../session/token.js';
import { bundleKeyPair, keptBundleKey, publicHalf } from './bundle-key.js';
import { DeviceApi } from './device-api.js';
import { checkRevoked, Instance } from './instance.js';
import { InstanceState } from './instance-state.js';
import { pinned } from './trust.js';

/** What `run` and `bundle pull` are started with. */
export type InstanceOptions = {
  configFile: string;
  cli: ReadonlyMap<string, SettingValue>;
  env: NodeJS.ProcessEnv;
  log: Log;
  readStdin: () => Buffer;
  clock: Clock;
  random: () => number;
  machineRoot: string;
};

/** A machine whose state is this agent's to use. */
export type Owned = Pick<Enrolled, 'context' | 'patience' | 'state'> & { resolved: Resolved };

/** A machine with its own credential and bundle key, and the way to its server. */
export type Enrolled = {
  context: AgentContext;
  settings: Settings;
  tls: TlsOptions;
  credential: OwnCredential;
  /** By this start: the server has the bundle key. */
  claimed: boolean;
  hello: AgentHello;
  patience: Patience;
  state: InstanceState;
  instance: Instance;
};

/** The state file of one instance, for as long as one agent works with it. */
export class InstanceHost {
  private report: StatusReport = { pid: process.pid, phase: 'starting', updatedAt: '' };
  private lock: StateLock | undefined;
  private owned = false;
  /** Another agent holds the state file: what is beside it is that one's to write. */
  private waiting = false;

  constructor(
    private readonly options: InstanceOptions,
    private readonly signal: AbortSignal,
  ) {}

  /** This agent is the one that works with the state, and with what is beside it. */
  get owns(): boolean {
    return this.owned;
  }

  /**
   * Takes the state file, and judges what this machine knows by itself: nothing is sent yet.
   * @throws AgentExit 73, 75 while another agent has the state with --no-wait, 77 for a site that is over, 78; the signal's reason
   */
  async own(): Promise<Owned> {
    const { configFile, log, env, clock } = this.options;
    let resolved = this.resolve();
    log.setLevel(logLevel(resolved.settings.logLevel));
    const patience = waitingFor(resolved.settings, clock);
    this.lock = await ownState(
      configFile,
      log,
      resolved.settings.noWait,
      this.signal,
      (waits) => (this.waiting = waits),
    );
    this.owned = true;
    sealState(configFile, log, stateSeal(this.options.cli, env));
    resolved = this.resolve();
    const context = this.context();
    const { settings } = resolved;
    this.status({
      phase: 'starting',
      endpoint: settings.endpoint,
      lastError: null,
      ...siteBefore(context, settings.id),
    });
    const state = InstanceState.open(configFile);
    state.tidy();
    const before =
      settings.id !== '' && settings.secret !== '' ? { id: settings.id, secret: settings.secret } : undefined;
    checkRevoked(context, state, before, unusedKey(resolved));
    checkStart(context, settings);
    if (settings.trustFingerprint !== '') pinned(settings.trustFingerprint);
    for (const warning of warningsAbout(resolved, env)) log.warn(warning);
    if (settings.skipTlsVerify) log.warn('SKIP_TLS_VERIFY: the server is not verified');
    return { context, resolved, patience, state };
  }

  /**
   * Does what a start takes with a credential of this machine: claims the site where there is none (docs/instances.md §6, the first step), and does it
   * once more with another claim where the credential is refused that may be replaced by one (docs/agent-protocol.md rule 52).
   * @throws AgentExit 69 when the server does not answer in time, 73, 77 for a refused key or credential, 78; the signal's reason; what `work` does
   */
  async start<T>(owned: Owned, work: (enrolled: Enrolled) => Promise<T>): Promise<T> {
    try {
      return await work(await this.enrol(owned));
    } catch (error) {
      if (!(error instanceof CredentialRefused)) throw error;
      const { context, resolved, state } = owned;
      const wasUsed = this.report.siteId !== undefined || state.facts?.device !== undefined;
      if (!claimsAnew(context, resolved, error)) throw endOfRefused(context, wasUsed, error);
      return work(await this.enrol({ ...owned, resolved: this.resolve() }));
    }
  }

  private async enrol({ context, resolved, patience, state }: Owned): Promise<Enrolled> {
    const { env, log } = this.options;
    const { settings } = resolved;
    const tls = tlsOptions(settings);
    const link = new ServerLink(endpointUrl(settings.endpoint), tls, env);
    const obtained = await obtainCredential(context, link, resolved, this.options.readStdin, patience);
    log.hide(obtained.secret);
    const credential = new OwnCredential(context, link, obtained, keepsCredential(resolved));
    if (credential.id === settings.id && unusedKey(resolved))
      log.info(
        `this machine is already ${enrolledAs(context.before, credential.id)}; the provisioning key was not used`,
      );
    const claimed = credential.secret !== settings.secret;
    if (claimed && state.facts?.revoked) state.beginAgain(credential.site);
    if (this.report.newtId !== credential.id) this.status({ newtId: credential.id });
    const key = ownBundleKey(context);
    const api = new DeviceApi(credential);
    const instance = new Instance(context, state, credential, key, api, trustedBy(settings, context.readFile()));
    const hello = greeting(claimIdentityOf(context.readFile())?.hardwareId, publicHalf(key), ['tunnel.h2', 'bundles']);
    return { context, settings, tls, credential, claimed, hello, patience, state, instance };
  }

  /** Says how it ended, and leaves the state file to others. */
  release(end: Partial<StatusReport>): void {
    this.status({ connectedSince: null, ...end });
    this.lock?.release();
  }

  private resolve(): Resolved {
    const { cli, env, configFile, log } = this.options;
    const resolved = resolveSettings(cli, env, readState(configFile, log, stateSeal(cli, env)));
    log.hide(resolved.settings.secret);
    log.hide(resolved.settings.provisioningKey);
    return resolved;
  }

  private context(): AgentContext {
    const { clock, random, log, env, configFile, machineRoot, cli } = this.options;
    const seal = stateSeal(cli, env);
    return {
      clock,
      random,
      log,
      env,
      configFile,
      machineRoot,
      signal: this.signal,
      readFile: () => readState(configFile, log, seal),
      updateFile: (changes) => updateConfigFile(configFile, changes, log, seal),
      before: lastReport(configFile),
      status: (change) => this.status(change),
    };
  }

  private status(change: Partial<StatusReport>): void {
    const updatedAt = new Date(this.options.clock.now()).toISOString();
    this.report = { ...this.report, ...change, locked: this.lock !== undefined, updatedAt };
    if (!this.waiting) writeStatus(this.options.configFile, this.report);
  }

  get lastReport(): StatusReport {
    return this.report;
  }
}

/** `--wait`: for a server that does not answer. A refused key ends it at once, unless it waits for ever. @throws AgentExit 64 */
function waitingFor({ wait, noWait }: Settings, clock: Clock): Patience {
  if (noWait) return patienceOf(true);
  if (wait === 'forever') return patienceOf(false);
  const seconds = wait.trim() === '' ? Number.NaN : Number(wait);
  if (!(seconds >= 0)) throw new AgentExit(EXIT.usage, `--wait ${wait} is neither a number of seconds nor \`forever\``);
  return { until: clock.uptime() + seconds * 1000, refusals: false };
}

/** Also where the credential comes by the environment: a bundle is sealed, or it is none. @throws AgentExit 73 */
function ownBundleKey(context: AgentContext) {
  const content = context.readFile();
  const kept = keptBundleKey(content);
  if (kept) return kept;
  const made = bundleKeyPair(content);
  context.updateFile({ bundleKey: made });
  return made;
}

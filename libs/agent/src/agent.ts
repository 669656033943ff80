import { EventEmitter } from 'node:events';
import {
  type AgentBlueprint,
  type AgentBlueprintResult,
  type AgentState,
  type AgentWelcome,
} from '../../contracts/index.js';
import { Blueprints } from './blueprints/blueprints.js';
import { AgentExit, EXIT, type ExitCode } from './cli/exit-codes.js';
import { lastReport, type StatusReport, writeStatus } from './cli/status-file.js';
import { type Clock, systemClock } from './clock.js';
import { claimIdentityOf, type FileContent, readState, sealState, updateConfigFile } from './config/config-file.js';
import {
  checkSettings,
  endpointUrl,
  logLevel,
  type Resolved,
  resolveSettings,
  warningsAbout,
} from './config/options.js';
import type { Settings, SettingValue } from './config/settings.js';
import type { StateLock } from './config/state-lock.js';
import { type StateSeal, stateSeal } from './config/state-seal.js';
import { withoutLineEnds } from './config/text.js';
import type { AgentContext } from './context.js';
import type { Credential } from './credential/credential.js';
import { OwnCredential } from './credential/own-credential.js';
import {
  checkStart,
  claimsAnew,
  endOfRefused,
  enrolledAs,
  keepsCredential,
  obtainCredential,
  siteBefore,
  unusedKey,
  usesStateFile,
} from './enrol/enrolment.js';
import { ownState } from './enrol/own-state.js';
import { patienceOf } from './enrol/retry.js';
import { HealthChecks } from './health/health-checks.js';
import { keptBundleKey, publicHalf } from './instance/bundle-key.js';
import { Log } from './log.js';
import type { SessionFeature } from './session/feature.js';
import { greeting } from './session/greeting.js';
import { HealthFile } from './session/health-file.js';
import { keepSession } from './session/keep-session.js';
import { reporting, type Told } from './session/reporting.js';
import { describe, ServerLink } from './session/server-link.js';
import type { SessionEnd } from './session/session.js';
import { tlsOptions } from './session/tls.js';
import { CredentialRefused } from './session/token.js';
import { readAllowed } from './tunnel/allowed.js';
import { Tunnels } from './tunnel/tunnels.js';

export type AgentOptions = {
  configFile: string;
  /** Settings as given on the command line, by their key in the config file. */
  cli?: ReadonlyMap<string, SettingValue> | Partial<Settings>;
  /** Environment to read; none unless given. */
  env?: NodeJS.ProcessEnv;
  /** Where log lines go; nowhere unless given. */
  write?: (line: string) => void;
  readStdin?: () => Buffer;
  clock?: Clock;
  random?: () => number;
  /** Where the machine's own files are (machine id, network cards), for tests. */
  machineRoot?: string;
  /** Makes a state real; nothing to do yet. */
  apply?: (state: AgentState) => Promise<void>;
};

export type AgentEnd = { code: ExitCode; message: string };

export type AgentEvents = {
  claimed: [newtId: string];
  welcome: [welcome: AgentWelcome];
  applied: [state: AgentState, error: string | undefined];
  closed: [end: SessionEnd];
  blueprint: [sent: AgentBlueprint, result: AgentBlueprintResult];
  status: [report: StatusReport];
};

const STOP = Symbol('stop');
const RELOAD = Symbol('reload');

/** Starts an agent in this process. It touches no global state, installs no signal handlers and never exits the process. */
export function runAgent(options: AgentOptions): Agent {
  return new Agent(options);
}

export class Agent {
  readonly events = new EventEmitter<AgentEvents>();
  /** Resolves when the agent has ended, never rejects. */
  readonly done: Promise<AgentEnd>;
  private readonly cli: ReadonlyMap<string, SettingValue>;
  private readonly env: NodeJS.ProcessEnv;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly log: Log;
  private round = new AbortController();
  private report: StatusReport = { pid: process.pid, phase: 'starting', updatedAt: '' };
  /** What this round has started with. */
  private started: Resolved | undefined;
  private stdin: Buffer | undefined;
  private appliedVersion = 0;
  private lock: StateLock | undefined;
  private seal: StateSeal | undefined;
  /** Another agent holds the state file: what is beside it is that one's to write. */
  private waiting = false;
  private saidEnrolled = false;
  /** Claimed in place of a site that expired, and no session was welcomed since. */
  private claimedAnew = false;
  /** Was welcomed once: from here on `noWait` is satisfied. */
  private settled = false;

  constructor(private readonly options: AgentOptions) {
    this.cli = options.cli instanceof Map ? options.cli : new Map(Object.entries(options.cli ?? {}));
    this.env = withoutLineEnds(options.env ?? {});
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    this.log = new Log(options.write ?? (() => undefined), 'INFO', () => this.clock.now());
    this.done = this.run();
  }

  /** Ends the session cleanly; safe to call twice. */
  stop(): Promise<AgentEnd> {
    this.round.abort(STOP);
    return this.done;
  }

  /** Reads the config file again and starts over when something changed; a wrong file changes nothing. */
  reload(): void {
    try {
      const resolved = this.resolve();
      checkSettings(resolved.settings);
      if (settingsOf(resolved) === settingsOf(this.started))
        return this.log.info('read the config file again: nothing changed');
      this.log.info('the configuration changed: starting over with it');
      this.round.abort(RELOAD);
    } catch (error) {
      this.log.error(`the changed configuration is not used: ${describe(error)}`);
    }
  }

  private async run(): Promise<AgentEnd> {
    await Promise.resolve(); // listeners are attached after the constructor
    for (;;) {
      try {
        await this.oneRound();
        if (!this.round.signal.aborted) this.startOver();
      } catch (error) {
        if (this.round.signal.reason !== RELOAD && !this.changedMeanwhile(error)) return this.end(error);
        this.startOver();
      }
    }
  }

  /** What follows files and containers ends with its round. */
  private startOver(): void {
    this.round.abort(RELOAD);
    this.round = new AbortController();
    this.appliedVersion = 0;
  }

  /** What is refused may not be what the file says by now: another program may have enrolled this machine. */
  private changedMeanwhile(error: unknown): boolean {
    if (!(error instanceof AgentExit && error.code === EXIT.refused) || this.round.signal.aborted) return false;
    try {
      if (settingsOf(this.resolve()) === settingsOf(this.started)) return false;
    } catch {
      return false;
    }
    this.log.info('the config file changed meanwhile: starting over with it');
    return true;
  }

  private end(error: unknown): AgentEnd {
    const stopped = this.round.signal.aborted;
    const end: AgentEnd = stopped
      ? { code: EXIT.ok, message: 'stopped' }
      : error instanceof AgentExit
        ? { code: error.code, message: error.message }
        : { code: EXIT.internal, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    this.status({
      phase: end.code === EXIT.refused ? 'refused' : 'stopped',
      connectedSince: null,
      ...(stopped ? {} : { lastError: this.log.redact(end.message) }),
    });
    this.lock?.release();
    if (stopped) this.log.info('stopped');
    else this.log.fatal(end.message);
    return { ...end, message: this.log.redact(end.message) };
  }

  /** From reading the settings to the end, which throws; returns to begin anew. */
  private async oneRound(): Promise<void> {
    let resolved = this.resolve();
    this.log.setLevel(logLevel(resolved.settings.logLevel));
    if (usesStateFile(resolved) && this.lock === undefined) {
      await this.ownState(resolved);
      sealState(this.options.configFile, this.log, this.seal);
      resolved = this.resolve(); // what another agent has written until now counts
    }
    const { settings } = resolved;
    this.started = resolved;
    const health = new HealthFile(settings.healthFile, this.log);
    health.remove(); // an agent that was killed may have left it
    const context = this.context();
    this.status({
      phase: 'starting',
      endpoint: settings.endpoint,
      lastError: null,
      ...siteBefore(context, settings.id),
    });
    checkStart(context, settings);
    for (const warning of warningsAbout(resolved, this.env)) this.log.warn(warning);
    if (settings.skipTlsVerify) this.log.warn('SKIP_TLS_VERIFY: the server is not verified');
    const link = new ServerLink(endpointUrl(settings.endpoint), tlsOptions(settings), this.env);
    const credential = await this.credential(context, link, resolved);
    this.status({ newtId: credential.id });
    const own = new OwnCredential(context, link, credential, keepsCredential(resolved), (next) => this.isKnown(next));
    try {
      await this.keepSession(context, settings, own, health);
    } catch (error) {
      if (!(error instanceof CredentialRefused)) throw error;
      if (!this.claimsAnew(context, error)) throw endOfRefused(context, this.report.siteId !== undefined, error);
    } finally {
      health.remove();
    }
  }

  private async ownState(resolved: Resolved): Promise<void> {
    const { configFile } = this.options;
    this.lock = await ownState(configFile, this.log, resolved.settings.noWait, this.round.signal, (waits) => {
      this.waiting = waits;
      if (waits) this.sayEnrolled(resolved);
    });
  }

  private sayEnrolled(resolved: Resolved): void {
    const { id, secret } = resolved.settings;
    if (id === '' || secret === '' || !unusedKey(resolved) || this.saidEnrolled) return;
    this.saidEnrolled = true;
    this.log.info(
      `this machine is already ${enrolledAs(lastReport(this.options.configFile), id)}; the provisioning key was not used`,
    );
  }

  private async credential(context: AgentContext, link: ServerLink, resolved: Resolved): Promise<Credential> {
    const stdin = () => (this.stdin ??= this.options.readStdin?.() ?? Buffer.alloc(0));
    const credential = await obtainCredential(context, link, resolved, stdin, patienceOf(resolved.settings.noWait));
    if (credential.id === resolved.settings.id) this.sayEnrolled(resolved);
    else {
      this.started = this.resolve();
      this.events.emit('claimed', credential.id);
    }
    return credential;
  }

  private async keepSession(
    context: AgentContext,
    settings: Settings,
    credential: OwnCredential,
    health: HealthFile,
  ): Promise<never> {
    const state = context.readFile();
    const bundleKey = keptBundleKey(state);
    const hello = greeting(claimIdentityOf(state)?.hardwareId, bundleKey && publicHalf(bundleKey), ['tunnel.h2']);
    const blueprints = new Blueprints(context, settings, credential.site, (sent, result) =>
      this.events.emit('blueprint', sent, result),
    );
    blueprints.follow();
    const allowed = readAllowed(settings.allow);
    const tunnels = new Tunnels(context, credential, allowed);
    const checks = new HealthChecks(context, allowed, settings.enforceHcCert);
    const features = [reporting(context, health, this.told()), tunnels.feature, checks.feature, blueprints];
    let pendingExit = false;
    return keepSession(context, credential, {
      hello,
      features: (leave) => [...features, this.exitWhilePending(settings, () => ((pendingExit = true), leave()))],
      appliedVersion: () => this.appliedVersion,
      until: () => patienceOf(settings.noWait && !this.settled).until,
      ended: (end) => {
        health.remove();
        if (pendingExit && !context.signal.aborted)
          throw new AgentExit(EXIT.pending, 'the site is waiting for approval');
        tunnels.sessionEnded(end);
        this.events.emit('closed', end);
      },
    }).finally(() => {
      checks.close();
      tunnels.close();
    });
  }

  /** The agent has written this credential itself: no reason to start over. */
  private isKnown({ id, secret }: Credential): void {
    const { settings } = this.started as Resolved;
    this.started = { ...(this.started as Resolved), settings: { ...settings, id, secret } };
  }

  private exitWhilePending(settings: Settings, leave: () => void): SessionFeature {
    return {
      welcomed: ({ status }) => {
        if (settings.noWait && !this.settled && status === 'pending') leave();
        this.settled = true;
      },
    };
  }

  /** @returns whether this machine is to claim a site in place of one that has expired. @throws AgentExit 73 */
  private claimsAnew(context: AgentContext, refused: CredentialRefused): boolean {
    if (this.claimedAnew || !claimsAnew(context, this.resolve(), refused)) return false;
    this.claimedAnew = true;
    this.appliedVersion = 0;
    return true;
  }

  private told(): Told {
    return {
      report: () => this.report,
      applied: (version) => (this.appliedVersion = version ?? this.appliedVersion),
      apply: this.options.apply,
      onWelcome: (welcome) => {
        this.claimedAnew = false;
        this.events.emit('welcome', welcome);
      },
      onApplied: (state, error) => this.events.emit('applied', state, error),
    };
  }

  private resolve(): Resolved {
    const resolved = resolveSettings(this.cli, this.env, this.readFile());
    this.log.hide(resolved.settings.secret);
    this.log.hide(resolved.settings.provisioningKey);
    return resolved;
  }

  private readFile(): FileContent {
    this.seal ??= stateSeal(this.cli, this.env);
    return readState(this.options.configFile, this.log, this.seal);
  }

  private context(): AgentContext {
    return {
      clock: this.clock,
      random: this.random,
      log: this.log,
      env: this.env,
      configFile: this.options.configFile,
      machineRoot: this.options.machineRoot ?? '/',
      signal: this.round.signal,
      readFile: () => this.readFile(),
      updateFile: (changes) => updateConfigFile(this.options.configFile, changes, this.log, this.seal),
      before: lastReport(this.options.configFile),
      status: (change) => this.status(change),
    };
  }

  private status(change: Partial<StatusReport>): void {
    const updatedAt = new Date(this.clock.now()).toISOString();
    this.report = { ...this.report, ...change, locked: this.lock !== undefined, updatedAt };
    if (!this.waiting) writeStatus(this.options.configFile, this.report);
    this.events.emit('status', this.report);
  }
}

/** What must change for a reload to mean something. The key and the name serve the first claim only. */
function settingsOf(resolved: Resolved | undefined): string {
  if (resolved === undefined) return '';
  const { provisioningKey: _key, provisioningKeyFile: _file, name: _name, ...settings } = resolved.settings;
  const enrolled = settings.id !== '' && settings.secret !== '';
  return JSON.stringify(enrolled ? settings : resolved.settings);
}

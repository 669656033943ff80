import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { arch, hostname, platform, release } from 'node:os';
import {
  AGENT_PATHS,
  type AgentBlueprint,
  type AgentBlueprintResult,
  type AgentHello,
  type AgentState,
  type AgentWelcome,
  PROTOCOL,
} from '../../contracts/index.js';
import { Blueprints } from './blueprints/blueprints.js';
import { AgentExit, EXIT, type ExitCode, misconfigured } from './cli/exit-codes.js';
import { type StatusReport, writeStatus } from './cli/status-file.js';
import { type Clock, systemClock } from './clock.js';
import { removeIfThere } from './config/atomic-file.js';
import { claimIdentityOf, readConfigFile } from './config/config-file.js';
import {
  checkSettings,
  endpointUrl,
  logLevel,
  type Resolved,
  resolveSettings,
  warningsAbout,
} from './config/options.js';
import type { Settings, SettingValue } from './config/settings.js';
import type { AgentContext } from './context.js';
import { type Credential, claim } from './enrol/claim.js';
import { provisioningKey } from './enrol/provisioning-key.js';
import { readTokenResponse } from './enrol/responses.js';
import { networkWait, retry } from './enrol/retry.js';
import { Log } from './log.js';
import { afterAtLeast, REPLACED_WAIT, retryAfterMs, THROTTLED_WAIT_MS, uniform } from './session/backoff.js';
import type { SessionFeature } from './session/feature.js';
import { describe, ServerLink } from './session/server-link.js';
import { AgentSession, type SessionEnd } from './session/session.js';
import { tlsOptions } from './session/tls.js';
import { AGENT_VERSION } from './version.js';

/** A session that lasted this long makes the next failure the first one again. */
const STEADY_MS = 60_000;

export type AgentOptions = {
  configFile: string;
  /** Settings as given on the command line, by their key in the config file. */
  cli?: ReadonlyMap<string, SettingValue> | Partial<Settings>;
  /** Environment to read; none unless given. */
  env?: NodeJS.ProcessEnv;
  /** Where log lines go; nowhere unless given. */
  write?: (line: string) => void;
  readStdin?: () => string;
  clock?: Clock;
  random?: () => number;
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
  private current = '';
  private stdin: string | undefined;
  private appliedVersion = 0;
  /** Was welcomed once: from here on `noWait` is satisfied. */
  private settled = false;

  constructor(private readonly options: AgentOptions) {
    this.cli = options.cli instanceof Map ? options.cli : new Map(Object.entries(options.cli ?? {}));
    this.env = options.env ?? {};
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
      if (fingerprint(resolved) === this.current) return this.log.info('read the config file again: nothing changed');
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
      } catch (error) {
        if (this.round.signal.aborted && this.round.signal.reason === RELOAD) {
          this.round = new AbortController();
          this.appliedVersion = 0;
          continue;
        }
        return this.end(error);
      }
    }
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
    if (stopped) this.log.info('stopped');
    else this.log.fatal(end.message);
    return { ...end, message: this.log.redact(end.message) };
  }

  /** From reading the settings to the end; leaves only by throwing. */
  private async oneRound(): Promise<never> {
    const resolved = this.resolve();
    const { settings } = resolved;
    this.current = fingerprint(resolved);
    checkSettings(settings);
    this.log.setLevel(logLevel(settings.logLevel));
    for (const warning of warningsAbout(resolved)) this.log.warn(warning);
    if (settings.skipTlsVerify) this.log.warn('SKIP_TLS_VERIFY: the server is not verified');
    const link = new ServerLink(endpointUrl(settings.endpoint), tlsOptions(settings), this.env);
    const context = this.context();
    this.status({ phase: 'starting', endpoint: settings.endpoint, lastError: null });
    const credential = await this.credential(context, link, resolved);
    this.status({ newtId: credential.id });
    try {
      return await this.keepSession(context, link, settings, credential);
    } finally {
      if (settings.healthFile !== '') removeIfThere(settings.healthFile);
    }
  }

  private async credential(context: AgentContext, link: ServerLink, resolved: Resolved): Promise<Credential> {
    const { settings } = resolved;
    if (settings.id !== '' && settings.secret !== '') {
      if (settings.provisioningKey !== '' || settings.provisioningKeyFile !== '')
        this.log.debug('this machine has its own credential; the provisioning key is not used');
      return { id: settings.id, secret: settings.secret };
    }
    const key = provisioningKey(resolved, () => (this.stdin ??= this.options.readStdin?.() ?? ''));
    if (key === '')
      throw misconfigured(
        'this machine is not enrolled: give a provisioning key (--provisioning-key-file FILE), or --id and --secret',
      );
    this.log.hide(key);
    this.status({ phase: 'claiming' });
    const credential = await claim(context, link, settings, key);
    this.current = fingerprint(this.resolve());
    this.events.emit('claimed', credential.id);
    return credential;
  }

  private async keepSession(
    context: AgentContext,
    link: ServerLink,
    settings: Settings,
    credential: Credential,
  ): Promise<never> {
    const hello = greeting(claimIdentityOf(context.readFile())?.hardwareId);
    const blueprints = new Blueprints(context, settings, credential.id, (sent, result) =>
      this.events.emit('blueprint', sent, result),
    );
    blueprints.follow();
    const features: readonly SessionFeature[] = [this.reporting(settings), blueprints];
    for (let failures = 0; ; ) {
      this.status({ phase: this.report.phase === 'unreachable' ? 'unreachable' : 'connecting', connectedSince: null });
      const token = await this.token(context, link, settings, credential);
      const end = await this.oneSession(context, link, settings, hello, features, token);
      this.events.emit('closed', end);
      context.signal.throwIfAborted();
      if (end.kind === 'revoked') throw new AgentExit(EXIT.refused, goneBecause(end.reason, credential.id));
      if (settings.noWait && !this.settled)
        throw new AgentExit(EXIT.unreachable, `no session with the server: ${end.detail}`);
      if (end.lastedMs !== undefined && end.lastedMs >= STEADY_MS) failures = 0;
      const wait = waitAfter(context, end, failures++);
      this.log.warn(`session ended: ${end.detail}; connecting again in ${(wait / 1000).toFixed(1)} s`);
      this.status({ phase: 'unreachable', connectedSince: null, lastError: end.detail });
      await this.clock.sleep(wait, 'reconnect', context.signal);
    }
  }

  /** @throws AgentExit 77 when the credential is refused: it is never replaced by a new claim */
  private async token(
    context: AgentContext,
    link: ServerLink,
    settings: Settings,
    credential: Credential,
  ): Promise<string> {
    const body = { newtId: credential.id, secret: credential.secret };
    const attempt = async () => readTokenResponse(await link.post(AGENT_PATHS.getToken, body, context.signal));
    const verdict = await retry(context, 'get-token', settings.noWait && !this.settled, attempt);
    if (verdict.kind === 'refused')
      throw new AgentExit(
        EXIT.refused,
        `the server refuses the credential of site ${credential.id}: revoked, rejected or deleted`,
      );
    if (verdict.kind === 'invalid')
      throw misconfigured(`the server does not accept the credential's form: ${verdict.message}`);
    this.log.hide(verdict.value.token);
    return verdict.value.token;
  }

  private async oneSession(
    context: AgentContext,
    link: ServerLink,
    settings: Settings,
    hello: AgentHello,
    features: readonly SessionFeature[],
    token: string,
  ): Promise<SessionEnd> {
    let pendingExit = false;
    const exitWhilePending: SessionFeature = {
      welcomed: ({ status }) => {
        pendingExit = settings.noWait && !this.settled && status === 'pending';
        if (pendingExit) void session.close();
        this.settled = true;
      },
    };
    const session = new AgentSession(
      link.openWebSocket(token),
      hello,
      [...features, exitWhilePending],
      context,
      this.appliedVersion,
    );
    const leave = () => void session.close();
    context.signal.addEventListener('abort', leave, { once: true });
    if (context.signal.aborted) leave();
    const end = await session.ended;
    context.signal.removeEventListener('abort', leave);
    if (settings.healthFile !== '') removeIfThere(settings.healthFile);
    if (pendingExit && !context.signal.aborted) throw new AgentExit(EXIT.pending, 'the site is waiting for approval');
    return end;
  }

  /** Log, status file, health file and events: what the agent tells of its sessions. */
  private reporting(settings: Settings): SessionFeature {
    return {
      welcomed: (welcome) => {
        const { niceId, siteId, status } = welcome;
        this.log.info(`connected as ${niceId} (site ${siteId}), ${status}, server ${welcome.serverVersion}`);
        this.status({
          phase: 'connected',
          siteId,
          niceId,
          siteStatus: status,
          connectedSince: new Date(this.clock.now()).toISOString(),
          lastError: null,
        });
        if (settings.healthFile !== '') this.markHealthy(settings.healthFile);
        this.events.emit('welcome', welcome);
      },
      apply: async (state) => {
        this.status({ desiredVersion: state.version });
        await this.options.apply?.(state);
      },
      applied: (state, error) => {
        if (this.report.siteStatus !== state.status)
          this.log.info(state.status === 'approved' ? 'approved' : 'not approved any more: pending');
        if (error === undefined) this.appliedVersion = state.version;
        else this.log.error(`state ${state.version} could not be applied: ${error}`);
        this.status({ siteStatus: state.status, appliedVersion: this.appliedVersion });
        this.events.emit('applied', state, error);
      },
      heartbeat: () => this.status({}),
    };
  }

  private markHealthy(path: string): void {
    try {
      writeFileSync(path, 'ok', { mode: 0o644 });
    } catch (error) {
      this.log.warn(`the health file ${path} cannot be written: ${describe(error)}`);
    }
  }

  private resolve(): Resolved {
    const resolved = resolveSettings(this.cli, this.env, readConfigFile(this.options.configFile, this.log));
    this.log.hide(resolved.settings.secret);
    this.log.hide(resolved.settings.provisioningKey);
    return resolved;
  }

  private context(): AgentContext {
    return {
      clock: this.clock,
      random: this.random,
      log: this.log,
      env: this.env,
      configFile: this.options.configFile,
      signal: this.round.signal,
      readFile: () => readConfigFile(this.options.configFile, this.log),
      status: (change) => this.status(change),
    };
  }

  private status(change: Partial<StatusReport>): void {
    this.report = { ...this.report, ...change, updatedAt: new Date(this.clock.now()).toISOString() };
    writeStatus(this.options.configFile, this.report);
    this.events.emit('status', this.report);
  }
}

/** Why the server ended the last session of this machine. An older server says `revoked` whatever happened. */
function goneBecause(reason: string, id: string): string {
  if (reason === 'rejected' || reason === 'deleted') return `the site of ${id} was ${reason}`;
  return `the credential of site ${id} was revoked`;
}

/** What must change for a reload to mean something. The key and the name serve the first claim only. */
function fingerprint(resolved: Resolved): string {
  const { provisioningKey: _key, provisioningKeyFile: _file, name: _name, ...settings } = resolved.settings;
  const enrolled = settings.id !== '' && settings.secret !== '';
  return JSON.stringify(enrolled ? settings : resolved.settings);
}

function waitAfter(context: AgentContext, end: SessionEnd, failures: number): number {
  const { clock, random } = context;
  if (end.kind === 'replaced') return uniform(REPLACED_WAIT, random);
  if (end.kind === 'throttled')
    return afterAtLeast(retryAfterMs(end.retryAfter, clock.now()) ?? THROTTLED_WAIT_MS, random);
  return end.reconnectAfterMs ?? networkWait(context, end.retryAfter, failures);
}

/** What this program is and the machine it runs on. */
function greeting(hardwareId: string | undefined): AgentHello {
  return {
    protocol: PROTOCOL,
    version: AGENT_VERSION,
    capabilities: [],
    facts: {
      hostname: hostname(),
      os: platform(),
      arch: arch(),
      kernel: release(),
      node: process.version,
      ...(hardwareId === undefined ? {} : { hardwareId }),
    },
  };
}

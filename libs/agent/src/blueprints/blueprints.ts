import {
  describeProblem,
  digestOf,
  environmentTemplates,
  fromGoodLabels,
  type LabelledContainer,
  type Parsed,
  type Problem,
  parse,
  placesOf,
} from '../../../blueprint/index.js';
import {
  AGENT_MESSAGE,
  type AgentBlueprint,
  type AgentBlueprintKind,
  type AgentBlueprintResult,
  type AgentSiteStatus,
  type AgentState,
  type AgentWelcome,
} from '../../../contracts/index.js';
import type { BlueprintOutcome } from '../cli/status-file.js';
import type { Settings } from '../config/settings.js';
import type { AgentContext } from '../context.js';
import type { Send, SessionFeature } from '../session/feature.js';
import { readBlueprintResult } from '../session/messages.js';
import { describe } from '../session/server-link.js';
import { BlueprintOutbox, nameOf } from './blueprint-outbox.js';
import { followContainers } from './docker.js';
import { type DockerAddress, dockerAddress, withoutPassword } from './docker-address.js';
import { followFile } from './follow-file.js';

const MAX_LOGGED = 20;
/** In the config file: which site has had its provisioning blueprint. The server knows it too; this spares it the question. */
const DONE_KEY = 'provisioningBlueprint';
type Done = { digest?: string; appliedAt?: string };

/**
 * The blueprints of this machine: two files and the labels of its containers, followed for the time of one round and sent over
 * whatever session there is. Nothing that is wrong with them ends the agent.
 */
export class Blueprints implements SessionFeature {
  private readonly outbox: BlueprintOutbox;
  private readonly outcomes: Partial<Record<AgentBlueprintKind, BlueprintOutcome>> = {};
  /** What this site has had as its provisioning blueprint. */
  private done: Done | undefined;
  private labelsTaken = true;
  private siteStatus: AgentSiteStatus | undefined;
  /** What was read last of the files that are followed. */
  private readonly texts: Partial<Record<AgentBlueprintKind, string>> = {};

  constructor(
    private readonly context: AgentContext,
    private readonly settings: Pick<Settings, 'blueprintFile' | 'provisioningBlueprintFile' | 'dockerSocket'>,
    private readonly site: string,
    told: (sent: AgentBlueprint, result: AgentBlueprintResult) => void,
  ) {
    this.outbox = new BlueprintOutbox(
      context,
      (sent, result) => {
        if (sent.kind === 'bootstrap' && result.ok) this.remember(sent.digest);
        const [first] = result.problems ?? [];
        this.note(
          sent.kind,
          result.ok ? 'applied' : 'refused',
          first ? describeProblem({ line: 0, column: 0, ...first }) : result.message,
        );
        told(sent, result);
      },
      (kind, paths) => placesOf(this.texts[kind] ?? '', { templates: environmentTemplates(context.env) }, paths),
    );
  }

  /** Starts to follow what the settings name. */
  follow(): void {
    const { blueprintFile, provisioningBlueprintFile, dockerSocket } = this.settings;
    const { signal, log } = this.context;
    if (blueprintFile !== '') this.followFile('file', blueprintFile, signal);
    if (provisioningBlueprintFile !== '') {
      this.done = this.remembered();
      if (this.done) log.debug('this site has had its provisioning blueprint');
      if (this.done?.appliedAt !== undefined)
        this.outcomes.bootstrap = { outcome: 'applied', at: this.done.appliedAt, problem: null };
      this.followFile('bootstrap', provisioningBlueprintFile, signal);
    }
    this.context.status({ blueprints: { ...this.outcomes } });
    if (dockerSocket !== '') this.followLabels(dockerSocket);
  }

  welcomed(welcome: AgentWelcome, send: Send): void {
    this.heed(welcome);
    this.outbox.connected((blueprint) => send({ type: AGENT_MESSAGE.blueprint, data: blueprint }));
  }

  applied(state: AgentState): void {
    this.heed(state);
  }

  received(type: string, data: unknown): boolean {
    if (type !== AGENT_MESSAGE.blueprintResult) return false;
    const result = readBlueprintResult(data);
    if (result) this.outbox.received(result);
    else this.context.log.warn('ignored a blueprint result that this version cannot read');
    return true;
  }

  disconnected(): void {
    this.outbox.disconnected();
  }

  /** What a welcome or a state says about the site: with its approval everything is sent again. */
  private heed({ status, dockerSocketEnabled }: Pick<AgentState, 'status' | 'dockerSocketEnabled'>): void {
    if (this.siteStatus === 'pending' && status === 'approved') this.outbox.again();
    this.siteStatus = status;
    this.takeLabelsOrNot(dockerSocketEnabled !== false);
  }

  /** @param on the site's dockerSocketEnabled: without it the labels of containers are not sent, and nothing is removed either */
  private takeLabelsOrNot(on: boolean): void {
    if (on === this.labelsTaken) return;
    this.labelsTaken = on;
    if (on) this.outbox.release('labels');
    else this.outbox.hold('labels');
    if (this.settings.dockerSocket === '') return;
    this.context.log.info(
      on
        ? 'the labels of the containers are sent again'
        : "the labels of the containers are not sent: the site's dockerSocketEnabled is false",
    );
    if (!on) this.note('labels', 'not sent', "the site's dockerSocketEnabled is false");
  }

  private followFile(kind: AgentBlueprintKind, path: string, signal: AbortSignal): void {
    const { env, log } = this.context;
    this.run(
      kind,
      followFile(
        this.context,
        path,
        signal,
        (text) => {
          const parsed = parse(text, { templates: environmentTemplates(env) });
          this.texts[kind] = text;
          if (kind === 'bootstrap' && this.done) this.compare(path, parsed, this.done);
          else this.take(kind, path, parsed);
        },
        // A file that is gone is not an empty one: nothing is removed because of it.
        (reason) => {
          if (kind === 'bootstrap' && this.done) return;
          log.warn(`${nameOf(kind)} ${path}: ${reason}; what it said before stays, and it is read when it is there`);
          this.note(kind, 'not sent', reason);
        },
      ),
    );
  }

  private followLabels(setting: string): void {
    const { log } = this.context;
    let docker: DockerAddress;
    try {
      docker = dockerAddress(setting);
    } catch (error) {
      return log.warn(`the Docker socket ${withoutPassword(setting)} cannot be used: ${describe(error)}`);
    }
    let last = '';
    const good = new Map<string, LabelledContainer>();
    this.run(
      'labels',
      followContainers(this.context, docker, this.context.signal, {
        found: (containers) => {
          const labelled = containers.filter(({ labels }) =>
            Object.keys(labels).some((label) => label.startsWith('pangolin.')),
          );
          const now = JSON.stringify(labelled);
          if (now !== last) this.takeLabels(labelled, good);
          last = now;
        },
        away: (reason) => log.warn(`the Docker engine at ${docker.name} is away: ${reason}`),
        withoutEvents: (reason) => log.info(`the Docker engine at ${docker.name} tells of no events: ${reason}`),
      }),
    );
  }

  /** One container's mistake is its own: the others are sent, and of it what it said when it was last right. */
  private takeLabels(containers: LabelledContainer[], good: Map<string, LabelledContainer>): void {
    const there = new Set(containers.map((one) => one.name));
    for (const name of good.keys()) if (!there.has(name)) good.delete(name);
    const { parsed, problems } = fromGoodLabels(containers, good);
    if (!parsed.ok) return this.take('labels', 'of the containers', parsed);
    if (problems.length > 0)
      this.tell('labels', 'of these containers are not taken, what they said before stays:', '', problems);
    this.outbox.put('labels', parsed.model, containers.map(ownLabels));
  }

  private take(kind: AgentBlueprintKind, where: string, parsed: Parsed): void {
    const { log } = this.context;
    if (parsed.ok) return this.outbox.put(kind, parsed.model);
    const [first] = parsed.problems;
    this.note(kind, 'not sent', first ? describeProblem(first) : '');
    this.tell(
      kind,
      `${where} is not sent, what was sent before stays:`,
      kind === 'labels' ? '' : `${where}:`,
      parsed.problems,
    );
    if (kind !== 'labels' && parsed.problems.length > MAX_LOGGED)
      log.error(`gatehouse-agent blueprint check ${where} lists them all`);
  }

  private tell(kind: AgentBlueprintKind, what: string, prefix: string, problems: readonly Problem[]): void {
    const { log } = this.context;
    log.error(`${nameOf(kind)} ${what}`);
    for (const problem of problems.slice(0, MAX_LOGGED)) log.error(`${prefix}${describeProblem(problem)}`);
    if (problems.length > MAX_LOGGED) log.error(`and ${problems.length - MAX_LOGGED} more`);
  }

  private run(kind: AgentBlueprintKind, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.context.signal.aborted)
        this.context.log.error(`${nameOf(kind)} is not followed any more: ${describe(error)}`);
    });
  }

  /** A provisioning blueprint is applied once: whoever changes its file afterwards is told so. */
  private compare(path: string, parsed: Parsed, done: Done): void {
    const { log } = this.context;
    if (done.digest === undefined || (parsed.ok && digestOf(parsed.model) === done.digest))
      return log.debug('the provisioning blueprint says what this site has had');
    log.warn(
      `the provisioning blueprint ${path} is not what this site has had; it is applied only once, so the change is ignored`,
    );
  }

  private remembered(): Done | undefined {
    const stored = this.context.readFile()[DONE_KEY];
    if (typeof stored !== 'object' || stored === null) return undefined;
    const { site, digest, appliedAt } = stored as Record<string, unknown>;
    if (site !== this.site) return undefined;
    return {
      ...(typeof digest === 'string' ? { digest } : {}),
      ...(typeof appliedAt === 'string' ? { appliedAt } : {}),
    };
  }

  private remember(digest: string): void {
    const appliedAt = this.now();
    this.done = { digest, appliedAt };
    try {
      this.context.updateFile({ [DONE_KEY]: { site: this.site, digest, appliedAt } });
    } catch (error) {
      // Harmless: it is sent once more after a restart, and the server remembers.
      this.context.log.warn(describe(error));
    }
  }

  /** For `gatehouse-agent status`. */
  private note(kind: AgentBlueprintKind, outcome: BlueprintOutcome['outcome'], problem: string): void {
    this.outcomes[kind] = {
      outcome,
      at: this.now(),
      problem: outcome === 'applied' || problem === '' ? null : this.context.log.redact(problem),
    };
    this.context.status({ blueprints: { ...this.outcomes } });
  }

  private now(): string {
    return new Date(this.context.clock.now()).toISOString();
  }
}

/** What the server is told of a container: other labels are none of its business. */
const ownLabels = ({ labels, ...container }: LabelledContainer): LabelledContainer => ({
  ...container,
  labels: Object.fromEntries(Object.entries(labels).filter(([label]) => label.startsWith('pangolin.'))),
});

import type { AgentBlueprint, AgentBlueprintKind, AgentBlueprintResult } from '../../contracts/agent-messages.js';
import { describeProblem, environmentTemplates, fromGoodLabels, parse, type LabelledContainer, type Parsed, type Problem } from '../../blueprint/index.js';
import { BlueprintOutbox, nameOf } from './blueprint-outbox.js';
import { updateConfigFile } from './config-file.js';
import type { AgentContext } from './context.js';
import { followContainers, socketPath } from './docker.js';
import { followFile } from './follow-file.js';
import { describe } from './server-link.js';
import type { Settings } from './settings.js';

const MAX_LOGGED = 20;
/** In the config file: which site has had its provisioning blueprint. The server knows it too; this spares it the question. */
const DONE_KEY = 'provisioningBlueprint';

/**
 * The blueprints of this machine: two files and the labels of its containers, followed for the time of one round and sent over
 * whatever session there is. Nothing that is wrong with them ends the agent.
 */
export class Blueprints {
  private readonly outbox: BlueprintOutbox;
  private readonly bootstrapped = new AbortController();

  constructor(
    private readonly context: AgentContext,
    private readonly settings: Pick<Settings, 'blueprintFile' | 'provisioningBlueprintFile' | 'dockerSocket'>,
    private readonly site: string,
    told: (sent: AgentBlueprint, result: AgentBlueprintResult) => void,
  ) {
    this.outbox = new BlueprintOutbox(context, (sent, result) => {
      if (sent.kind === 'bootstrap' && result.ok) this.remember(sent.digest);
      told(sent, result);
    });
  }

  /** Starts to follow what the settings name. */
  follow(): void {
    const { blueprintFile, provisioningBlueprintFile, dockerSocket } = this.settings;
    const { signal, log } = this.context;
    if (blueprintFile !== '') this.followFile('file', blueprintFile, signal);
    if (provisioningBlueprintFile !== '') {
      if (this.isDone()) log.debug('this site has had its provisioning blueprint');
      else this.followFile('bootstrap', provisioningBlueprintFile, AbortSignal.any([signal, this.bootstrapped.signal]));
    }
    if (dockerSocket !== '') this.followLabels(dockerSocket);
  }

  connected(send: (blueprint: AgentBlueprint) => void): void {
    this.outbox.connected(send);
  }

  disconnected(): void {
    this.outbox.disconnected();
  }

  approved(): void {
    this.outbox.again();
  }

  received(result: AgentBlueprintResult): void {
    this.outbox.received(result);
  }

  private followFile(kind: AgentBlueprintKind, path: string, signal: AbortSignal): void {
    const { env, log } = this.context;
    this.run(
      kind,
      followFile(
        this.context,
        path,
        signal,
        (text) => this.take(kind, path, parse(text, { templates: environmentTemplates(env) })),
        // A file that is gone is not an empty one: nothing is removed because of it.
        (reason) => log.warn(`${nameOf(kind)} ${path}: ${reason}; what it said before stays, and it is read when it is there`),
      ),
    );
  }

  private followLabels(setting: string): void {
    const { log } = this.context;
    const socket = socketPath(setting);
    if (socket === undefined) return log.warn(`the Docker socket ${setting} is not available yet: only a unix socket is`);
    let last = '';
    const good = new Map<string, LabelledContainer>();
    this.run(
      'labels',
      followContainers(
        this.context,
        socket,
        this.context.signal,
        (containers) => {
          const labelled = containers.filter(({ labels }) => Object.keys(labels).some((label) => label.startsWith('pangolin.')));
          const now = JSON.stringify(labelled);
          if (now !== last) this.takeLabels(labelled, good);
          last = now;
        },
        (reason) => log.warn(`the Docker engine at ${socket} is away: ${reason}`),
      ),
    );
  }

  /** One container's mistake is its own: the others are sent, and of it what it said when it was last right. */
  private takeLabels(containers: LabelledContainer[], good: Map<string, LabelledContainer>): void {
    const there = new Set(containers.map((one) => one.name));
    for (const name of good.keys()) if (!there.has(name)) good.delete(name);
    const { parsed, problems } = fromGoodLabels(containers, good);
    if (!parsed.ok) return this.take('labels', 'of the containers', parsed);
    if (problems.length > 0) this.tell('labels', 'of these containers are not taken, what they said before stays:', '', problems);
    this.outbox.put('labels', parsed.model);
  }

  private take(kind: AgentBlueprintKind, where: string, parsed: Parsed): void {
    const { log } = this.context;
    if (parsed.ok) return this.outbox.put(kind, parsed.model);
    this.tell(kind, `${where} is not sent, what was sent before stays:`, kind === 'labels' ? '' : `${where}:`, parsed.problems);
    if (kind !== 'labels' && parsed.problems.length > MAX_LOGGED) log.error(`gatehouse-agent blueprint check ${where} lists them all`);
  }

  private tell(kind: AgentBlueprintKind, what: string, prefix: string, problems: readonly Problem[]): void {
    const { log } = this.context;
    log.error(`${nameOf(kind)} ${what}`);
    for (const problem of problems.slice(0, MAX_LOGGED)) log.error(`${prefix}${describeProblem(problem)}`);
    if (problems.length > MAX_LOGGED) log.error(`and ${problems.length - MAX_LOGGED} more`);
  }

  private run(kind: AgentBlueprintKind, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.context.signal.aborted) this.context.log.error(`${nameOf(kind)} is not followed any more: ${describe(error)}`);
    });
  }

  private isDone(): boolean {
    const done = this.context.readFile()[DONE_KEY];
    return typeof done === 'object' && done !== null && (done as Record<string, unknown>)['site'] === this.site;
  }

  private remember(digest: string): void {
    this.bootstrapped.abort();
    const appliedAt = new Date(this.context.clock.now()).toISOString();
    try {
      updateConfigFile(this.context.configFile, { [DONE_KEY]: { site: this.site, digest, appliedAt } }, this.context.log);
    } catch (error) {
      // Harmless: it is sent once more after a restart, and the server remembers.
      this.context.log.warn(describe(error));
    }
  }
}

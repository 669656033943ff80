import type { ClientRequest, IncomingMessage } from 'node:http';
import type { LabelledContainer } from '../../../blueprint/index.js';
import type { AgentContext } from '../context.js';
import { backoff, NETWORK_BACKOFF } from '../session/backoff.js';
import type { DockerAddress } from './docker-address.js';

const DEBOUNCE_MS = 500;
/** Events may be lost when the engine restarts; the list is read again this often at least. */
const POLL_MS = 60_000;
/** Where a proxy lets no events through. */
const LIST_MS = 10_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
const EVENTS = { type: ['container'], event: ['start', 'die', 'destroy', 'rename', 'update', 'pause', 'unpause'] };

/**
 * Lists the running containers now and after each event of the engine, until the signal ends it. An engine that is away is waited
 * for: nothing is reported meanwhile, since a list that cannot be read is not an empty one. A proxy in front of the engine may refuse
 * events, then the list is read more often, and may end their stream whenever it likes.
 */
export async function followContainers(
  context: Pick<AgentContext, 'clock' | 'random'>,
  docker: DockerAddress,
  signal: AbortSignal,
  tell: Told,
): Promise<void> {
  let saidRefused = false;
  for (let failures = 0; !signal.aborted; ) {
    const events = new EventStream(docker);
    let cut = false;
    try {
      const refused = await events.opened(context, signal);
      for (; !signal.aborted; failures = 0) {
        events.rearm();
        tell.found(await runningContainers(docker, signal));
        if (refused !== undefined && !saidRefused)
          tell.withoutEvents(`${refused}, so its containers are listed every ${LIST_MS / 1000} s`);
        saidRefused ||= refused !== undefined;
        const wait = refused === undefined ? POLL_MS : LIST_MS;
        await pause(context, wait, 'docker-poll', AbortSignal.any([signal, events.happened]));
        cut = events.failure !== undefined;
        if (events.failure) throw events.failure;
        if (events.happened.aborted) await pause(context, DEBOUNCE_MS, 'docker-debounce', signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      // A stream that was cut off says nothing of the engine yet.
      if (failures === 0 && !cut) tell.away(error instanceof Error ? error.message : String(error));
      await pause(context, backoff(NETWORK_BACKOFF, failures, context.random), 'docker-retry', signal);
      if (!cut) failures++;
    } finally {
      events.close();
    }
  }
}

/** What is made known of an engine. */
export interface Told {
  /** Every list that was read. */
  found(containers: LabelledContainer[]): void;
  /** The reason, once for each time that the engine is away. */
  away(reason: string): void;
  /** What stands in the way of events, once. */
  withoutEvents(reason: string): void;
}

/** `GET /containers/json`: running containers only, which is what the engine lists unless asked for all. */
export async function runningContainers(docker: DockerAddress, signal: AbortSignal): Promise<LabelledContainer[]> {
  const list = JSON.parse(await get(docker, '/containers/json', signal)) as unknown;
  if (!Array.isArray(list)) throw new Error('the Docker engine answered no list of containers');
  return list.flatMap((one: unknown) => readContainer(one) ?? []);
}

function readContainer(value: unknown): LabelledContainer | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { Id, Names, Labels, Ports, State } = value as Record<string, unknown>;
  if (State !== undefined && State !== 'running') return undefined;
  const first = Array.isArray(Names) ? Names.find((name): name is string => typeof name === 'string') : undefined;
  const labels =
    typeof Labels === 'object' && Labels !== null
      ? Object.entries(Labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      : [];
  const ports = (Array.isArray(Ports) ? Ports : []).flatMap((port: unknown) => {
    const number = (port as Record<string, unknown> | null)?.['PrivatePort'];
    return typeof number === 'number' ? [number] : [];
  });
  return {
    name: first?.replace(/^\//, '') ?? '',
    ...(typeof Id === 'string' ? { hostname: Id.slice(0, 12) } : {}),
    labels: Object.fromEntries(labels),
    // The engine lists them in any order, another each time.
    ports: ports.sort((a, b) => a - b),
  };
}

/** `GET /events`: one line of JSON for each event; only that there was one matters. */
class EventStream {
  failure: Error | undefined;
  /** There is no stream whose end would mean anything. */
  private refused = false;
  private controller = new AbortController();
  private readonly request: ClientRequest;
  private readonly response: Promise<IncomingMessage>;

  constructor(docker: DockerAddress) {
    this.request = docker.request(`/events?filters=${encodeURIComponent(JSON.stringify(EVENTS))}`);
    this.request.setSocketKeepAlive(true);
    this.response = new Promise((resolve, reject) => {
      this.request.on('response', resolve);
      this.request.on('error', reject);
    });
    this.response.catch(() => undefined);
    this.request.on('error', (error) => this.fail(error));
    this.request.end();
  }

  /** @returns in words that events are not let through, by a proxy that lets other requests through. @throws what else went wrong instead */
  async opened(context: Pick<AgentContext, 'clock'>, signal: AbortSignal): Promise<string | undefined> {
    const answered = new AbortController();
    // An engine answers before there is an event; a proxy may hold the answer back for ever.
    void pause(context, TIMEOUT_MS, 'docker-events', AbortSignal.any([signal, answered.signal])).then(() => {
      if (!answered.signal.aborted)
        this.request.destroy(new Error(`it did not answer within ${TIMEOUT_MS / 1000} s when asked for events`));
    });
    const response = await this.response.finally(() => answered.abort());
    const { statusCode = 0 } = response;
    if (statusCode !== 200) {
      response.on('error', () => undefined).resume();
      const answered = `it answered ${statusCode} when asked for events`;
      if (statusCode >= 400 && statusCode < 500) {
        this.refused = true;
        return answered;
      }
      throw new Error(answered);
    }
    response.on('data', () => this.controller.abort());
    response.on('error', (error) => this.fail(error));
    response.on('close', () => this.fail(new Error('it ended the stream of events')));
    return undefined;
  }

  get happened(): AbortSignal {
    return this.controller.signal;
  }

  rearm(): void {
    if (!this.failure) this.controller = new AbortController();
  }

  close(): void {
    this.request.destroy();
  }

  private fail(error: Error): void {
    if (this.refused) return;
    this.failure ??= error;
    this.controller.abort();
  }
}

function get(docker: DockerAddress, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = docker.request(path, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) response.destroy(new Error('the answer of the Docker engine is too long'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else if (response.statusCode === 403)
          reject(
            new Error('it does not let containers be listed (403): a socket proxy must allow GET /containers/json'),
          );
        else reject(new Error(`it answered ${response.statusCode} when asked for the containers`));
      });
    });
    asked.end();
  });
}

async function pause(
  context: Pick<AgentContext, 'clock'>,
  ms: number,
  what: string,
  until: AbortSignal,
): Promise<void> {
  await context.clock.sleep(ms, what, until).catch((error: unknown) => {
    if (!until.aborted) throw error;
  });
}

import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { LabelledContainer } from '../../../blueprint/index.js';
import type { AgentContext } from '../context.js';
import { backoff, NETWORK_BACKOFF } from '../session/backoff.js';

const DEBOUNCE_MS = 500;
/** Events may be lost when the engine restarts; the list is read again this often at least. */
const POLL_MS = 60_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
const EVENTS = { type: ['container'], event: ['start', 'die', 'destroy', 'rename', 'update', 'pause', 'unpause'] };

/** The path of the engine's socket; undefined for an address that is none. */
export function socketPath(setting: string): string | undefined {
  if (setting.startsWith('unix://')) return setting.slice('unix://'.length);
  return /^[a-z]+:\/\//i.test(setting) ? undefined : setting;
}

/**
 * Lists the running containers now and after each event of the engine, until the signal ends it. An engine that is away is waited
 * for: nothing is reported meanwhile, since a list that cannot be read is not an empty one.
 * @param found is given every list that was read
 * @param away is given the reason, once for each time that the engine is away
 */
export async function followContainers(
  context: Pick<AgentContext, 'clock' | 'random'>,
  socket: string,
  signal: AbortSignal,
  found: (containers: LabelledContainer[]) => void,
  away: (reason: string) => void,
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    const events = new EventStream(socket);
    try {
      await events.opened(signal);
      for (; !signal.aborted; failures = 0) {
        events.rearm();
        found(await runningContainers(socket, signal));
        await pause(context, POLL_MS, 'docker-poll', AbortSignal.any([signal, events.happened]));
        if (events.failure) throw events.failure;
        if (events.happened.aborted) await pause(context, DEBOUNCE_MS, 'docker-debounce', signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (failures === 0) away(error instanceof Error ? error.message : String(error));
      await pause(context, backoff(NETWORK_BACKOFF, failures++, context.random), 'docker-retry', signal);
    } finally {
      events.close();
    }
  }
}

/** `GET /containers/json`: running containers only, which is what the engine lists unless asked for all. */
export async function runningContainers(socket: string, signal: AbortSignal): Promise<LabelledContainer[]> {
  const list = JSON.parse(await get(socket, '/containers/json', signal)) as unknown;
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
  private controller = new AbortController();
  private readonly request: ClientRequest;
  private readonly response: Promise<IncomingMessage>;

  constructor(socket: string) {
    this.request = request({
      socketPath: socket,
      path: `/events?filters=${encodeURIComponent(JSON.stringify(EVENTS))}`,
      headers: { host: 'docker' },
    });
    this.response = new Promise((resolve, reject) => {
      this.request.on('response', resolve);
      this.request.on('error', reject);
    });
    this.response.catch(() => undefined);
    this.request.on('error', (error) => this.fail(error));
    this.request.end();
  }

  /** @throws what went wrong instead */
  async opened(signal: AbortSignal): Promise<void> {
    const stop = () => this.close();
    signal.addEventListener('abort', stop, { once: true });
    const response = await this.response.finally(() => signal.removeEventListener('abort', stop));
    if (response.statusCode !== 200)
      throw new Error(`the Docker engine answered ${response.statusCode} when asked for events`);
    response.on('data', () => this.controller.abort());
    response.on('error', (error) => this.fail(error));
    response.on('close', () => this.fail(new Error('the Docker engine ended the stream of events')));
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
    this.failure ??= error;
    this.controller.abort();
  }
}

function get(socket: string, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({
      socketPath: socket,
      path,
      headers: { host: 'docker' },
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
        else reject(new Error(`the Docker engine answered ${response.statusCode}`));
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

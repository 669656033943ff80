import { once } from 'node:events';
import http2, { type ClientHttp2Session } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../../test/support/manual-clock.js';
import { secretValue } from '../../../../test/support/secret-values.js';
import type { AgentState, AgentTunnel, AgentWelcome } from '../../../contracts/index.js';
import { Log } from '../log.js';
import { NetworkFailure, ServerLink, type ServerResponse } from '../session/server-link.js';
import { type Dial, TunnelRefused } from './tunnel-dial.js';
import { Tunnels } from './tunnels.js';

/** One end of a connection in memory. */
class End extends Duplex {
  other: End | undefined;
  bytesWritten = 0;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.bytesWritten += chunk.length;
    this.other!.push(chunk);
    done();
  }
  override _final(done: () => void): void {
    this.other!.push(null);
    done();
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    this.other!.destroy();
  }
}

/** A way to the server that gives a token to anybody and is dialed by nobody. */
class Link extends ServerLink {
  constructor(readonly url: URL) {
    super(url, {}, {});
  }
  override to(url: URL): Link {
    return new Link(url);
  }
  override post(): Promise<ServerResponse> {
    const body = { success: true, data: { token: secretValue('token') } };
    return Promise.resolve({ status: 200, body, retryAfter: undefined });
  }
}

interface Connection {
  server: string;
  session: ClientHttp2Session;
  /** The agent takes no more streams on it. */
  left: boolean;
}

const [ONE, TWO] = ['http://one.test', 'http://two.test'];
/** By URL, the server process that answers there, or how it refuses. */
let answers: Map<string, string | Error>;
/** URLs, as they were dialed. */
let dialed: string[];
let connections: Set<Connection>;
let clock: ManualClock;
let stop: AbortController;
let tunnels: Tunnels;
let echo: Server;

const dial: Dial = async (link, transport) => {
  await new Promise<void>((answered) => setImmediate(answered));
  const { origin } = (link as Link).url;
  if (transport === 'upgrade') dialed.push(origin);
  const answer = answers.get(origin) ?? new NetworkFailure('nobody answers');
  if (answer instanceof Error) throw answer;
  const [near, far] = [new End(), new End()];
  [near.other, far.other] = [far, near];
  const session = http2.connect('http://agent', { createConnection: () => far });
  const connection: Connection = { server: answer, session, left: false };
  session.on('error', () => undefined).on('goaway', () => (connection.left = true));
  session.on('remoteSettings', () => connections.add(connection));
  session.on('close', () => connections.delete(connection));
  return { duplex: near, server: answer, bytesRead: () => far.bytesWritten };
};

beforeEach(async () => {
  answers = new Map([
    [ONE, 'first'],
    [TWO, 'second'],
  ]);
  [dialed, connections, clock, stop] = [[], new Set(), new ManualClock(), new AbortController()];
  const context = { clock, random: () => 0.5, log: new Log(() => undefined), signal: stop.signal };
  const credential = { id: 'site', secret: secretValue('secret') };
  tunnels = new Tunnels(context, { using: (attempt) => attempt(credential, new Link(new URL(ONE))) }, [], dial);
  echo = createServer((socket) => void socket.on('error', () => undefined).pipe(socket));
  await new Promise<void>((done) => echo.listen(0, '127.0.0.1', done));
});
afterEach(() => {
  stop.abort();
  echo.close();
});

function welcome(tunnel: AgentTunnel): void {
  const welcomed: AgentWelcome = {
    protocol: 1,
    siteId: 1,
    niceId: 'site',
    status: 'approved',
    serverVersion: '1',
    heartbeatSeconds: 30,
    tunnel,
  };
  tunnels.feature.welcomed!(welcomed, () => undefined);
}
const state = (status: AgentState['status'] = 'approved') =>
  tunnels.feature.apply!({
    version: 1,
    status,
    resources: [{ id: 1, mode: 'host', destination: '127.0.0.1', tcpPorts: '*', udpPorts: '' }],
  });
const tell = (endpoints: string[], connections = 2) =>
  tunnels.feature.received!('agent/tunnel', { connections, endpoints });

/** Where the connections lead on which streams may be opened. */
const servers = () => [...connections].flatMap(({ server, left }) => (left ? [] : server)).sort();
const lead = (...to: string[]) => expect.poll(servers, { timeout: 60_000 }).toEqual(to);

/** An agent with these endpoints, once its connections lead there. */
async function began(endpoints: string[], ...to: string[]): Promise<void> {
  welcome({ connections: to.length, endpoints });
  await state();
  await lead(...to);
}

describe('the tunnels of an agent', () => {
  it('begin when a state was applied', async () => {
    welcome({ connections: 2, endpoints: [ONE] });
    await Promise.resolve();
    expect(dialed).toEqual([]);
    await state();
    await lead('first', 'first');
  });

  it('are as many as the server says, the last number it said', async () => {
    await began([ONE], 'first', 'first', 'first');
    expect(clock.isAwaited('tunnel-move')).toBe(false);
    expect(tell([ONE], 1)).toBe(true);
    await lead('first');
    expect([tell([], 0), tunnels.feature.received!('agent/else', {})]).toEqual([true, false]);
    await lead('first');
  });

  it('lead to different processes, where there are several', async () => {
    await began([ONE, TWO], 'first', 'second');
    await began([ONE], 'first', 'second');
  });

  it('both lead to one after five more attempts that found no other', async () => {
    answers.set(TWO, 'first');
    await began([ONE, TWO], 'first', 'first');
    expect(dialed).toHaveLength(1 + 5 + 1);
    expect(dialed.filter((url) => url === TWO).length).toBeGreaterThan(0);
  });

  it('come back by themselves, later each time, and at once when a session is welcomed', async () => {
    await began([ONE], 'first');
    answers.set(ONE, new NetworkFailure('away'));
    for (const { session } of connections) session.destroy();
    for (const ms of [150, ...Array(8).fill(300), 500, 900]) {
      const wait = await clock.next('tunnel');
      expect(wait.ms).toBe(ms);
      if (ms < 900) wait.wake();
    }
    answers.set(ONE, 'first');
    welcome({ connections: 1, endpoints: [ONE] });
    await lead('first');
  });

  it('wait after a refusal as long as the server says, else for longer than after a loss', async () => {
    answers.set(ONE, new TunnelRefused(429, 'too many', '7'));
    welcome({ connections: 1, endpoints: [ONE] });
    await state();
    const told = await clock.next('tunnel');
    expect(told.ms).toBe(7_350);
    answers.set(ONE, new TunnelRefused(403, 'no', undefined));
    told.wake();
    expect((await clock.next('tunnel')).ms).toBe(12_500);
  });

  it.each([
    ['the site waits for approval again', () => void state('pending')],
    ['another agent took the site over', () => tunnels.sessionEnded({ kind: 'replaced', detail: '', reason: '' })],
    ['the agent ends', () => stop.abort()],
  ])('are over when %s', async (_why, end) => {
    await began([ONE, TWO], 'first', 'second');
    end();
    await expect.poll(() => connections.size, { timeout: 60_000 }).toBe(0);
    expect([clock.isAwaited('tunnel'), clock.isAwaited('tunnel-ping')]).toEqual([false, false]);
  });

  it('outlive a session that was lost', async () => {
    await began([ONE], 'first');
    tunnels.sessionEnded({ kind: 'lost', detail: '', reason: '' });
    await lead('first');
  });
});

describe('another server process that is told of', () => {
  /** A stream through the tunnel that carries bytes back and forth. */
  async function conversation({ session }: Connection) {
    const { port } = echo.address() as AddressInfo;
    const stream = session.request({ ':method': 'CONNECT', ':authority': `127.0.0.1:${port}` });
    await once(stream, 'response');
    return {
      async say(word: string): Promise<string> {
        stream.write(word);
        return String((await once(stream, 'data'))[0]);
      },
      end: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    };
  }

  it('gets one of two tunnels within half a minute, and what is under way goes on', async () => {
    await began([ONE], 'first', 'first');
    const talks = await Promise.all([...connections].map(conversation));
    tell([ONE, TWO]);
    const wait = await clock.next('tunnel-move');
    // The half of 30 s, as `random` has it.
    expect([wait.ms, dialed.length]).toEqual([15_000, 2]);
    wait.wake();
    await lead('first', 'second');
    expect(connections.size).toBe(3);
    expect(await Promise.all(talks.map((talk, i) => talk.say(`word ${i}`)))).toEqual(['word 0', 'word 1']);
    for (const talk of talks) talk.end();
    await expect.poll(() => connections.size, { timeout: 60_000 }).toBe(2);
    // Nothing was lost, and nothing is left to be moved.
    expect([clock.isAwaited('tunnel'), clock.isAwaited('tunnel-move')]).toEqual([false, false]);
  });

  it('gets one that comes back at once when it is lost after the move', async () => {
    await began([ONE], 'first', 'first');
    const talks = await Promise.all([...connections].map(conversation));
    tell([ONE, TWO]);
    (await clock.next('tunnel-move')).wake();
    await lead('first', 'second');
    for (const { server, session } of connections) if (server === 'second') session.destroy();
    // The connection that was left is still there.
    const wait = await clock.next('tunnel');
    expect(wait.ms).toBe(150);
    wait.wake();
    await lead('first', 'second');
    for (const talk of talks) talk.end();
  });

  it('that is not reached gets none, and is tried again later each time', async () => {
    await began([ONE], 'first', 'first');
    answers.delete(TWO);
    tell([ONE, TWO]);
    for (const ms of [15_000, 30_000, 60_000]) {
      const wait = await clock.next('tunnel-move');
      expect([wait.ms, servers()]).toEqual([ms, ['first', 'first']]);
      wait.wake();
    }
    await clock.next('tunnel-move');
    answers.set(TWO, 'second');
    // Told anew, it begins anew.
    tell([ONE, TWO]);
    const wait = await clock.next('tunnel-move');
    expect(wait.ms).toBe(15_000);
    wait.wake();
    await lead('first', 'second');
  });

  it('moves nothing where each leads elsewhere already', async () => {
    await began([ONE, TWO], 'first', 'second');
    tell([ONE, TWO, 'http://three.test']);
    expect(clock.isAwaited('tunnel-move')).toBe(false);
  });

  it('gets its tunnel back after it was away, without being told of', async () => {
    await began([ONE, TWO], 'first', 'second');
    answers.delete(TWO);
    for (const { server, session } of connections) if (server === 'second') session.destroy();
    (await clock.next('tunnel')).wake();
    await lead('first', 'first');
    answers.set(TWO, 'second again');
    (await clock.next('tunnel-move')).wake();
    await lead('first', 'second again');
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Db } from '#platform';
import type { ServerLease } from '../cluster/index.js';
import { KeepAliveService } from './gateway/keep-alive.service.js';
import { MAX_BUFFERED, Session } from './gateway/session.js';
import { SessionRegistry } from './gateway/session-registry.js';
import type { PresenceRepository } from './presence/presence.repository.js';

let registry: SessionRegistry;
let service: KeepAliveService;
let touched: number[][];
let ended: string[];

class FakeSocket {
  bytesRead = 0;
  bufferedAmount = 0;
  pings = 0;
  closedWith: number | undefined;
  terminated = false;
  ping = () => void this.pings++;
  close = (code: number) => void (this.closedWith = code);
  terminate = () => void (this.terminated = true);
}

function open(siteId: number): { session: Session; socket: FakeSocket } {
  const socket = new FakeSocket();
  const session = new Session(`session ${siteId}`, siteId, 1, null, socket as never);
  session.ws = socket as never;
  registry.enter(session);
  return { session, socket };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
  registry = new SessionRegistry();
  touched = [];
  ended = [];
  registry.onEnd((session, reason) => ended.push(`${session.id}: ${reason}`));
  const db = { tx: (fn: (tx: never) => Promise<void>) => fn(undefined as never) } as unknown as Db;
  const repository = {
    touch: async (_tx: never, _server: string, siteIds: number[]) => void touched.push(siteIds),
  } as unknown as PresenceRepository;
  service = new KeepAliveService(db, repository, { serverId: 'me' } as unknown as ServerLease, registry);
  service.onApplicationBootstrap();
});
afterEach(async () => {
  await service.stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('keep-alive', () => {
  it('pings a quiet session and closes it after 90 s of silence', async () => {
    const { socket } = open(1);
    await vi.advanceTimersByTimeAsync(86_000);
    expect(socket.pings).toBe(3);
    expect(socket.closedWith).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(socket.closedWith).toBe(1001);
    expect(ended).toEqual(['session 1: silent']);
  });

  it('counts anything that arrives, PONGs too, and writes last-seen in batches ordered by site', async () => {
    const sockets = [3, 1, 2].map((id) => open(id).socket);
    for (let i = 0; i < 20; i++) {
      for (const socket of sockets) socket.bytesRead += 6;
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect(sockets.map((s) => s.closedWith)).toEqual([undefined, undefined, undefined]);
    expect(touched.length).toBeGreaterThan(15);
    expect(touched.length).toBeLessThanOrEqual(20);
    for (const batch of touched) expect(batch).toEqual([1, 2, 3]);
  });

  it('cuts a session off that does not read', async () => {
    const { socket } = open(1);
    socket.bufferedAmount = MAX_BUFFERED + 1;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(socket.terminated).toBe(true);
  });

  it('does not take its own sleep for silence of the agents', async () => {
    const { socket } = open(1);
    await vi.advanceTimersByTimeAsync(10_000);
    const now = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => now + 200_000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(socket.closedWith).toBeUndefined();
  });
});

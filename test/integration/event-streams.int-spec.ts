import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Db, execute, type Principal, query } from '#platform';
import { EventStreams } from '../../src/audit/event-streams.js';
import { EventsRepository } from '../../src/audit/events.repository.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

const STREAMS = 50;
/** The rhythm of the feed's own polls. */
const POLL_MS = 5000;

let app: TestApp;
/** Streams of their own on the app's database, with notices that a test sends itself. */
let streams: EventStreams;
let notices: FakeNotifications;
let repository: EventsRepository;
let org: { orgId: string; orgUid: string };
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

class FakeNotifications {
  private readonly handlers = new Map<string, (payload: string) => void>();
  on = (channel: string, handler: (payload: string) => void) => void this.handlers.set(channel, handler);
  onReconnected = () => undefined;
  send = (channel: 'event_added' | 'access_changed', payload: string) => this.handlers.get(channel)!(payload);
}

beforeEach(async () => {
  const orgId = `o${randomUUID().slice(0, 8)}`;
  await app.makeOrg(orgId);
  const [row] = await app.sql<{ orgUid: string }>('SELECT org_uid AS "orgUid" FROM org WHERE org_id = $1', [orgId]);
  org = { orgId, orgUid: row!.orgUid };
  notices = new FakeNotifications();
  repository = new EventsRepository();
  streams = new EventStreams(app.get(Db), repository, notices as never);
  return () => streams.close();
});

const reader = (n: number): Principal => ({ ...operator, kind: 'api_key', id: `k${n}` });
const insert = (n: number, em = app.db.manager, type = 'site.online') =>
  execute(
    em,
    `INSERT INTO event (org_id, org_uid, type, data) SELECT $1, $2, $3, jsonb_build_object('pad', repeat('x', 400)) FROM generate_series(1, $4)`,
    [org.orgId, org.orgUid, type, n],
  );
/** How often the feed may have read by itself since then. */
const polls = (since: number) => 1 + (performance.now() - since) / POLL_MS;
/** The whole feed in its order, once it has so many events: an older transaction of another spec may hold it back for a while. */
const whole = (n: number) =>
  until(async () => {
    const events = await query<{ id: number }>(
      app.db.manager,
      `SELECT event_id AS id FROM event WHERE org_uid = $1 AND txid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY txid, event_id`,
      [org.orgUid],
    );
    return events.length >= n && events.map((event) => event.id);
  });

/** A client of a stream; it takes nothing before `follow`. */
class Client {
  readonly ids: number[] = [];
  ended = false;
  cursor: string | undefined;
  private rest = '';

  constructor(readonly stream: Readable) {
    stream.once('end', () => (this.ended = true));
  }

  static async open(n: number, after?: string, type?: 'site.online' | 'site.offline'): Promise<Client> {
    return new Client(await streams.open(reader(n), org.orgId, after, type && [type]));
  }

  follow(): this {
    this.stream.on('data', (chunk: Buffer) => {
      const parts = (this.rest + String(chunk)).split('\n\n');
      this.rest = parts.pop()!;
      for (const part of parts) {
        const data = /^data: (.*)$/m.exec(part);
        if (!data) continue;
        this.ids.push((JSON.parse(data[1]!) as { id: number }).id);
        this.cursor = /^id: (.*)$/m.exec(part)![1]!;
      }
    });
    return this;
  }

  async has(n: number): Promise<number[]> {
    await until(() => Promise.resolve(this.ids.length >= n));
    return this.ids;
  }
}

describe('the streams of one organization', () => {
  it('are fed by one read per notice or poll, and each gets every event once and in order', async () => {
    const clients = await Promise.all(Array.from({ length: STREAMS }, (_, n) => Client.open(n)));
    for (const client of clients) client.follow();
    const reads = vi.spyOn(repository, 'after');
    const since = performance.now();
    const rounds = 5;
    for (let round = 1; round <= rounds; round++) {
      await insert(10);
      const feed = await whole(10 * round);
      notices.send('event_added', org.orgId);
      for (const client of clients) expect(await client.has(10 * round)).toEqual(feed);
    }
    expect(reads.mock.calls.length).toBeLessThanOrEqual(rounds + polls(since));
  });

  it('come to what no notice told of by one poll', async () => {
    const clients = await Promise.all(Array.from({ length: STREAMS }, (_, n) => Client.open(n)));
    for (const client of clients) client.follow();
    const reads = vi.spyOn(repository, 'after');
    const since = performance.now();
    await insert(3);
    for (const client of clients) await client.has(3);
    expect(reads.mock.calls.length).toBeLessThanOrEqual(polls(since));
  });

  it('do not wait for one that is slow, which then gets everything once and in order by pages of its own', async () => {
    const [slow, stuck, ...quick] = await Promise.all(Array.from({ length: 10 }, (_, n) => Client.open(n)));
    for (const client of quick) client.follow();
    // It takes the beginning, then nothing.
    stuck!.follow();
    await insert(20);
    await whole(20);
    notices.send('event_added', org.orgId);
    await stuck!.has(20);
    stuck!.stream.pause();
    for (let i = 0; i < 10; i++) await insert(100);
    const feed = await whole(1020);
    notices.send('event_added', org.orgId);
    for (const client of quick) expect(await client.has(1020)).toEqual(feed);
    const reads = vi.spyOn(repository, 'after');
    slow!.follow();
    stuck!.stream.resume();
    expect(await slow!.has(1020)).toEqual(feed);
    expect(await stuck!.has(1020)).toEqual(feed);
    expect(reads).toHaveBeenCalled();
    // Caught up, they live on the common feed again.
    reads.mockClear();
    const since = performance.now();
    await insert(1);
    const more = await whole(1021);
    notices.send('event_added', org.orgId);
    for (const client of [slow!, stuck!, ...quick]) expect(await client.has(1021)).toEqual(more);
    expect(reads.mock.calls.length).toBeLessThanOrEqual(1 + polls(since));
  });

  it('are held back by an older transaction, and then get its events first', async () => {
    const clients = await Promise.all(Array.from({ length: STREAMS }, (_, n) => Client.open(n)));
    for (const client of clients) client.follow();
    const older = app.db.dataSource.createQueryRunner();
    await older.startTransaction();
    // Of a type that is not counted by the minute: who counts waits for who has counted (ADR 0075).
    await insert(1, older.manager, 'device.provisioned');
    await insert(5);
    const reads = vi.spyOn(repository, 'after');
    notices.send('event_added', org.orgId);
    await until(() => Promise.resolve(reads.mock.settledResults.some((result) => result.type === 'fulfilled')));
    expect(clients.flatMap((client) => client.ids)).toEqual([]);
    await older.commitTransaction();
    await older.release();
    const feed = await whole(6);
    expect(feed[0]).toBe(Math.min(...feed));
    notices.send('event_added', org.orgId);
    for (const client of clients) expect(await client.has(6)).toEqual(feed);
  });

  it('are complete wherever and whenever they begin, whatever they filter, while writers of uneven speed commit', async () => {
    const clients: { client: Client; from: number }[] = [];
    const offline: Client[] = [];
    const writers = Array.from({ length: 4 }, async (_, w) => {
      for (let i = 0; i < 25; i++) {
        await app.db.tx(async (tx) => {
          await insert(1 + ((w + i) % 5) * 7, tx);
          await query(tx, 'SELECT pg_sleep($1)', [((w * 7 + i * 3) % 11) / 1000]);
          await insert(1, tx, 'site.offline');
        });
        notices.send('event_added', org.orgId);
        if (i % 4 !== 0) continue;
        const before = clients.find(({ client }) => client.cursor !== undefined)?.client;
        const after = w % 2 === 0 ? before?.cursor : undefined;
        const from = after === undefined ? 0 : before!.ids.at(-1)!;
        clients.push({ client: (await Client.open(10 * w + i, after)).follow(), from });
        offline.push((await Client.open(100 + 10 * w + i, undefined, 'site.offline')).follow());
      }
    });
    await Promise.all(writers);
    const [count] = await app.sql<{ n: number }>('SELECT count(*) AS n FROM event WHERE org_uid = $1', [org.orgUid]);
    const feed = await whole(count!.n);
    notices.send('event_added', org.orgId);
    for (const { client, from } of clients) {
      const expected = feed.slice(feed.indexOf(from) + 1);
      expect(await client.has(expected.length)).toEqual(expected);
    }
    const [first, ...others] = await Promise.all(offline.map((client) => client.has(100)));
    expect(new Set(first).size).toBe(100);
    for (const ids of others) expect(ids).toEqual(first);
  });

  it('end when their reader may no longer read, and the others go on', async () => {
    const [gone, stays] = [(await Client.open(1)).follow(), (await Client.open(2)).follow()];
    notices.send('access_changed', 'key:k1');
    await until(() => Promise.resolve(gone.ended));
    await insert(1);
    const feed = await whole(1);
    notices.send('event_added', org.orgId);
    expect(await stays.has(1)).toEqual(feed);
    expect([gone.ids, stays.ended]).toEqual([[], false]);
    notices.send('access_changed', `org:${org.orgId}`);
    await until(() => Promise.resolve(stays.ended));
  });

  it('end when the authority of their reader has ended, before anything more is told', async () => {
    const endsAt = new Date(Date.now() + 3_600_000);
    const client = new Client(await streams.open({ ...reader(1), endsAt }, org.orgId, undefined, undefined)).follow();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(endsAt.getTime());
    await insert(1);
    notices.send('event_added', org.orgId);
    await until(() => Promise.resolve(client.ended));
    clock.mockRestore();
    expect(client.ids).toEqual([]);
  });

  it('are not woken for another organization', async () => {
    await Client.open(1);
    const reads = vi.spyOn(repository, 'after');
    const since = performance.now();
    for (let i = 0; i < 50; i++) {
      notices.send('event_added', 'another');
      await app.sql('SELECT pg_sleep(0.002)');
    }
    notices.send('event_added', org.orgId);
    await until(() => reads.mock.calls.length > 0);
    expect(reads.mock.calls.length).toBeLessThanOrEqual(1 + polls(since));
  });

  it('refuse a cursor that the feed did not make, and leave nothing behind', async () => {
    await expect(Client.open(1, 'nonsense')).rejects.toThrow(/after/);
    for (let i = 0; i < 20; i++) await Client.open(1);
    await expect(Client.open(1)).rejects.toThrow(/Too many/);
  });
});

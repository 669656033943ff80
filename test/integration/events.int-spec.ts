// The rules are those of docs/claims.md.
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDataSource } from '../../libs/platform/database/database.module.js';
import { execute } from '../../libs/platform/database/db.js';
import { EventsRepository } from '../../src/audit/events.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/server.js';

let database: TestDatabase;
let dataSource: DataSource;
const feed = new EventsRepository();
const ORG = randomUUID();

beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await createDataSource(database.url, 10, []).initialize();
});
afterAll(async () => {
  await dataSource?.destroy();
  await database?.drop();
});

const insert = (em = dataSource.manager, type = 'site.online') =>
  execute(em, `INSERT INTO event (org_id, org_uid, type) VALUES ('acme', $1, $2)`, [ORG, type]);
const read = (after?: string, limit = 100) => feed.after(dataSource.manager, ORG, after, limit);

describe('rule 11: the feed', () => {
  it('never skips a transaction that began earlier and commits later', async () => {
    const slow = dataSource.createQueryRunner();
    await slow.startTransaction();
    await insert(slow.manager, 'site.approved');
    await insert();
    // The later event is committed, but an earlier transaction still runs: it must wait.
    expect(await read()).toEqual([]);
    await slow.commitTransaction();
    await slow.release();
    // A transaction that another spec has open in the cluster may hold them back a while longer.
    const events = await until(async () => {
      const page = await read();
      return page.length >= 2 && page;
    });
    expect(events.map((e) => e.type)).toEqual(['site.approved', 'site.online']);
  });

  it('reaches every event exactly once while writers of uneven speed commit', async () => {
    const start = (await read()).at(-1)?.cursor;
    let writing = true;
    const writers = Array.from({ length: 6 }, async (_, w) => {
      for (let i = 0; i < 20; i++) {
        const runner = dataSource.createQueryRunner();
        await runner.startTransaction();
        await insert(runner.manager);
        await runner.query('SELECT pg_sleep($1)', [((w * 7 + i * 3) % 11) / 1000]);
        await runner.commitTransaction();
        await runner.release();
      }
    });
    const all = Promise.all(writers).then(() => (writing = false));
    const seen: number[] = [];
    for (let cursor = start, last = false; ; ) {
      const page = await read(cursor, 7);
      seen.push(...page.map((e) => e.id));
      cursor = page.at(-1)?.cursor ?? cursor;
      if (page.length === 0 && last) break;
      // Somebody's open transaction, in another database too, may hold the feed back for a while.
      last = !writing && page.length === 0 && seen.length >= 120;
    }
    await all;
    expect(seen).toHaveLength(120);
    expect(new Set(seen).size).toBe(120);
  });

  it('refuses a cursor that it did not make', async () => {
    await expect(read('nonsense')).rejects.toThrow(/after/);
    await expect(read(Buffer.from('1;2').toString('base64url'))).rejects.toThrow(/after/);
  });

  it('follows transactions by number and not by digits: 99 comes before 100', async () => {
    const org = randomUUID();
    const txids = ['100', '9', '101', '10', '99', '11'];
    for (const txid of txids)
      await execute(
        dataSource.manager,
        `INSERT INTO event (org_id, org_uid, type, txid, data) VALUES ('digits', $1, 'site.online', $2::text::xid8, jsonb_build_object('tx', $2::text))`,
        [org, txid],
      );
    const whole = await feed.after(dataSource.manager, org, undefined, 100);
    expect(whole.map((e) => e.data['tx'])).toEqual(['9', '10', '11', '99', '100', '101']);
    // Page by page, every event exactly once.
    const paged: unknown[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await feed.after(dataSource.manager, org, cursor, 2);
      if (page.length === 0) break;
      paged.push(...page.map((e) => e.data['tx']));
      cursor = page.at(-1)!.cursor;
    }
    expect(paged).toEqual(['9', '10', '11', '99', '100', '101']);
  });

  it('keeps organizations apart', async () => {
    expect(await feed.after(dataSource.manager, randomUUID(), undefined, 10)).toEqual([]);
  });
});

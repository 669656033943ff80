import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { execute, query, sqlState } from '#platform';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await app.sql(
    'CREATE TABLE leaf (id int PRIMARY KEY, n int NOT NULL, twig int UNIQUE DEFERRABLE INITIALLY DEFERRED)',
  );
  await app.sql(
    `CREATE FUNCTION give_way(yes boolean) RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF yes THEN RAISE EXCEPTION USING ERRCODE = '40P01'; END IF; END $$`,
  );
});
afterAll(() => app?.close());
beforeEach(() => app.sql('TRUNCATE leaf'));

type Tx = Parameters<Parameters<TestApp['db']['tx']>[0]>[0];
const put = (tx: Tx, id: number, n: number | null = 0) =>
  query<{ id: number }>(tx, 'INSERT INTO leaf (id, n) VALUES ($1, $2) RETURNING id', [id, n]);
const ids = async () => (await app.sql<{ id: number }>('SELECT id FROM leaf ORDER BY id')).map((row) => row.id);

describe('statements that are sent together', () => {
  /** Its answer is heard after those of the others. */
  const late = async <T>(statement: Promise<T>): Promise<T> => {
    await statement.catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    return statement;
  };

  it('tell what failed first, whoever of them is heard first', async () => {
    const failed = app.db.tx((tx) => Promise.all([late(put(tx, 1, null)), put(tx, 2)]));
    expect(sqlState(await failed.catch((error: unknown) => error))).toBe('23502');
    expect(await ids()).toEqual([]);
  });

  it('run again after a deadlock, though another of them is heard first', async () => {
    let attempts = 0;
    await app.db.tx((tx) => {
      return Promise.all([late(execute(tx, 'SELECT give_way($1)', [++attempts < 3])), put(tx, 1)]);
    });
    expect(attempts).toBe(3);
    expect(await ids()).toEqual([1]);
  });
});

describe('the last statements of a transaction', () => {
  it('answer what each found, and are committed', async () => {
    const answers = await app.db.tx(async (tx) => {
      await put(tx, 1);
      return app.db.commitWith(tx, [put(tx, 2), undefined, execute(tx, 'UPDATE leaf SET n = 7')]);
    });
    expect(answers).toEqual([[{ id: 2 }], undefined, 2]);
    expect(await ids()).toEqual([1, 2]);
  });

  it('are committed before anything else hears of them', async () => {
    let seen: number[] = [];
    await app.db.tx(async (tx) => {
      await app.db.commitWith(tx, [put(tx, 1)]);
      while (seen.length === 0) seen = await ids();
    });
    expect(seen).toEqual([1]);
  });

  it('undo everything when one of them fails, and tell what failed first', async () => {
    const failed = app.db.tx(async (tx) => {
      await put(tx, 1);
      await app.db.commitWith(tx, [put(tx, 2), put(tx, 3, null), put(tx, 1)]);
    });
    expect(sqlState(await failed.catch((error: unknown) => error))).toBe('23502');
    expect(await ids()).toEqual([]);
  });

  it('undo everything when one of them never became a statement', async () => {
    const broken = async () => {
      throw new Error('broken');
    };
    const within = async () => {
      await broken();
    };
    for (const work of [broken, within, async () => void (await within())]) {
      await expect(app.db.tx((tx) => app.db.commitWith(tx, [put(tx, 1), work(), put(tx, 2)]))).rejects.toThrow(
        'broken',
      );
    }
    expect(await ids()).toEqual([]);
  });

  it('undo everything when the COMMIT itself is refused', async () => {
    const failed = app.db.tx(async (tx) => {
      const leaf = (id: number) => execute(tx, 'INSERT INTO leaf (id, n, twig) VALUES ($1, 0, 5)', [id]);
      await app.db.commitWith(tx, [leaf(1), leaf(2)]);
    });
    expect(sqlState(await failed.catch((error: unknown) => error))).toBe('23505');
    expect(await ids()).toEqual([]);
  });

  it('are the last: a later one is not sent', async () => {
    const failed = app.db.tx(async (tx) => {
      await app.db.commitWith(tx, [put(tx, 1)]);
      await put(tx, 2);
    });
    await expect(failed).rejects.toThrow('A statement after the last of its transaction');
    expect(await ids()).toEqual([1]);
  });

  it('leave the connection fit for the next transaction', async () => {
    for (let i = 0; i < 40; i++)
      await app.db.tx((tx) => app.db.commitWith(tx, [put(tx, 1, null)])).catch(() => undefined);
    await Promise.all(Array.from({ length: 40 }, (_, i) => app.db.tx((tx) => app.db.commitWith(tx, [put(tx, i)]))));
    expect(await ids()).toHaveLength(40);
  });

  it('run again as a whole after a deadlock', async () => {
    await app.sql('INSERT INTO leaf (id, n) VALUES (1, 0), (2, 0)');
    const add = (tx: Tx, id: number) => execute(tx, 'UPDATE leaf SET n = n + 1 WHERE id = $1', [id]);
    let runs = 0;
    let held = 0;
    let both!: () => void;
    const bothHold = new Promise<void>((resolve) => (both = resolve));
    const crosswise = (first: number, second: number) =>
      app.db.tx(async (tx) => {
        runs++;
        await add(tx, first);
        if (++held === 2) both();
        await bothHold;
        await app.db.commitWith(tx, [add(tx, second)]);
      });
    await Promise.all([crosswise(1, 2), crosswise(2, 1)]);
    expect(runs).toBeGreaterThan(2);
    expect(await app.sql('SELECT id, n FROM leaf ORDER BY id')).toEqual([
      { id: 1, n: 2 },
      { id: 2, n: 2 },
    ]);
  });
});

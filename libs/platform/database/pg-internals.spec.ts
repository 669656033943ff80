import { Socket } from 'node:net';
import pg from 'pg';
import { expect, it } from 'vitest';
import { CopyQuery, streamOf, watchConnects } from './pg-internals.js';

it('a client of pg has its socket in connection.stream', () => {
  expect(
    streamOf(new pg.Client()),
    'pg keeps the socket of a client elsewhere now: mend streamOf, or transactions cannot cork and hanging connections cannot be cut',
  ).toBeInstanceOf(Socket);
});

it('the pool of pg takes every connection by its own `connect`', async () => {
  const pool = new pg.Pool({ host: '127.0.0.1', port: 1 });
  const seen: string[] = [];
  watchConnects(pool, () => {
    seen.push('asked');
    return () => seen.push('ended');
  });
  await expect(pool.query('SELECT 1')).rejects.toThrow();
  await expect(pool.connect()).rejects.toThrow();
  expect(
    seen,
    'pool.query of pg no longer goes through pool.connect: mend watchConnects, or gatehouse_pool_wait_seconds sees half of the work',
  ).toEqual(['asked', 'ended', 'asked', 'ended']);
  await pool.end();
});

it('a query of pg is asked for the rows of a COPY', () => {
  expect(
    Object.hasOwn(pg.Query.prototype, 'handleCopyInResponse'),
    'pg asks for the rows of a COPY in another way now: mend CopyQuery, or requests are not logged',
  ).toBe(true);
  const sent: string[] = [];
  new CopyQuery('COPY t FROM STDIN', 'é\n').handleCopyInResponse({
    sendCopyFromChunk: (chunk) => void sent.push(chunk.toString()),
    endCopyFrom: () => void sent.push('end'),
  });
  expect(sent).toEqual(['é\n', 'end']);
});

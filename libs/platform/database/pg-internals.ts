import type { Writable } from 'node:stream';
import type { Client, Pool, PoolClient } from 'pg';

/**
 * What is used of pg beyond what it documents. `pg-internals.spec.ts` shows that the installed version is built so.
 */

/** The socket of a connection, TLS or plain: `connection.stream`. */
export const streamOf = (client: Client | PoolClient): Writable =>
  (client as unknown as { connection: { stream: Writable } }).connection.stream;

type Callback = (...args: unknown[]) => void;

/**
 * Calls `begin` whenever somebody asks the pool for a connection, and what it returns once they have one or get none. The pool's own `query`
 * asks by `connect` too, with a callback.
 */
export function watchConnects(pool: Pool, begin: () => () => void): void {
  const connect = pool.connect.bind(pool) as (callback?: Callback) => unknown;
  const watched = (callback?: Callback): unknown => {
    const end = begin();
    if (!callback) return (connect() as Promise<unknown>).finally(end);
    return connect((...args) => {
      end();
      callback(...args);
    });
  };
  pool.connect = watched as typeof pool.connect;
}

import type { Writable } from 'node:stream';
import pg, { type Client, type Pool, type PoolClient } from 'pg';

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

interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** A `COPY … FROM STDIN` with its rows, which pg asks its queries for; those of its own have none. For `query` of a pool. */
export class CopyQuery extends pg.Query {
  /** @param data its rows, in the text format of COPY */
  constructor(
    statement: string,
    private readonly data: string,
  ) {
    super(statement);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(Buffer.from(this.data));
    connection.endCopyFrom();
  }
}

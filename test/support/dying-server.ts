import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServerOptions, startServer, type TestServer, until } from './server.js';

/** A module of test/support/failpoints, to be loaded into a server that is to die. */
export const failpoint = (name: string): string => new URL(`failpoints/${name}.mjs`, import.meta.url).href;

/** A server with a failpoint. */
export type Doomed<Server> = {
  options: ServerOptions;
  failpoint: string;
  start: (options: ServerOptions) => Promise<Server>;
};

/**
 * Has a server die at a failpoint.
 * @param work arms it by writing the file, and does what kills the server, whose answer may be lost
 * @returns what `work` did, once the server has died of it
 */
export async function dying<T, Server extends { stop(): Promise<unknown> } = TestServer>(
  { options, failpoint, start }: Doomed<Server>,
  work: (server: Server, file: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-failpoint-'));
  const file = join(folder, 'armed');
  const env = { ...options.env, FAILPOINT_FILE: file };
  const server = await start({ ...options, preload: [failpoint], env });
  try {
    const done = await work(server, file);
    await until(() => !existsSync(file));
    return done;
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same of a server without TLS. */
export const dyingServer = <T>(
  databaseUrl: string,
  failpoint: string,
  work: (server: TestServer, file: string) => Promise<T>,
): Promise<T> => dying({ options: { databaseUrl }, failpoint, start: startServer }, work);

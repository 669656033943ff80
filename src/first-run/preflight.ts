import { createServer } from 'node:net';
import {
  type Config,
  ConfigError,
  DatabaseUrlError,
  DataDirError,
  EmbeddedPostgresError,
  readKeyPair,
  StartupTimeoutError,
  sqlState,
} from '#platform';
import { runningServers } from './pid-file.js';

/** The server cannot start. The message is one sentence for the operator. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** What can be known before anything is started. Throws StartError. */
export async function checkMachine(config: Config): Promise<void> {
  const [running] = runningServers(config.installation.dataDir).filter(
    ({ port }) => port === config.http.port || config.database.url === undefined,
  );
  if (running) {
    throw new StartError(
      `Gatehouse is running already on ${config.installation.dataDir}, as process ${running.pid} on port ${running.port}; stop it (kill ${running.pid}), or give this one a PORT and a DATA_DIR of its own.`,
    );
  }
  await assertPortFree('PORT', config.http.host, config.http.port);
  if (config.http.metricsPort !== undefined)
    await assertPortFree('METRICS_PORT', config.http.host, config.http.metricsPort);
  if (config.http.tls) {
    try {
      readKeyPair(config.http.tls);
    } catch (error) {
      throw new StartError(`TLS_CERT_FILE and TLS_KEY_FILE do not make a usable pair: ${(error as Error).message}.`);
    }
  }
}

/** One sentence where we know what is wrong; undefined for anything unexpected, which deserves its stack. */
export function sentenceFor(error: unknown): string | undefined {
  const known = [StartError, ConfigError, DataDirError, EmbeddedPostgresError, DatabaseUrlError, StartupTimeoutError];
  if (known.some((type) => error instanceof type)) return (error as Error).message;
  if (sqlState(error) === '42501')
    return `The role of DATABASE_URL lacks a right that the server needs: ${(error as Error).message}.`;
  return undefined;
}

async function assertPortFree(name: string, host: string, port: number): Promise<void> {
  const probe = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((done) => {
    probe.once('error', done);
    probe.listen(port, host, () => probe.close(() => done(undefined)));
  });
  if (!error) return;
  const why: Record<string, string> = {
    EADDRINUSE: `${name} ${port} is in use by another program on ${host}; stop that one or set another ${name}.`,
    EACCES: `${name} ${port} may not be opened by this user; set a ${name} above 1023.`,
    EADDRNOTAVAIL: `HOST ${host} is not an address of this machine.`,
    ENOTFOUND: `HOST ${host} is not known to this machine.`,
  };
  throw new StartError(why[error.code ?? ''] ?? `${name} ${port} cannot be opened on ${host}: ${error.message}.`);
}

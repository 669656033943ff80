import {
  type Config,
  ConfigError,
  DatabaseUrlError,
  DataDirError,
  EmbeddedPostgresError,
  isDatabaseAway,
  placeProblems,
  StartupTimeoutError,
  sqlState,
} from '#platform';

/** The server cannot start. The message is a sentence for the operator, or several, a line each. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** What can be known before anything is started (`npm start` asks the same before it installs anything). @throws StartError */
export async function checkMachine({ http, edge, installation, database }: Config): Promise<void> {
  const problems = await placeProblems({
    ...http,
    edgePort: edge.portGiven ? edge.port : undefined,
    dataDir: installation.dataDir,
    embedded: database.url === undefined,
  });
  if (problems.length > 0) throw new StartError(problems.join('\n'));
}

/** One sentence where we know what is wrong; undefined for anything unexpected, which deserves its stack. */
export function sentenceFor(error: unknown): string | undefined {
  const known = [StartError, ConfigError, DataDirError, EmbeddedPostgresError, DatabaseUrlError, StartupTimeoutError];
  if (known.some((type) => error instanceof type)) return (error as Error).message;
  if (sqlState(error) === '42501')
    return `The role of DATABASE_URL lacks a right that the server needs: ${(error as Error).message}.`;
  if (isDatabaseAway(error)) return 'The database went away meanwhile; try again once it answers.';
  return undefined;
}

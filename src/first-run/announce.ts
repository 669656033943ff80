import { networkInterfaces } from 'node:os';
import { type Config, VERSION, writePidFile } from '#platform';
import { type FirstSecrets, firstSecrets, nextKey, setupLink, whereabouts } from './banner.js';

/**
 * Tells whoever started the server, on standard output, where everything is, and once the secrets of a first run; and the next start, by a
 * file, who serves from this DATA_DIR. `setupToken`: of the link that sets it up, until one was used; `databaseDir`: set when the embedded
 * database had to be put outside DATA_DIR
 */
export function announce(
  config: Config,
  port: number,
  {
    edgePort,
    made,
    setupToken,
    databaseDir,
  }: {
    edgePort: number | undefined;
    made: FirstSecrets | null;
    setupToken: string | null;
    databaseDir: string | undefined;
  },
): void {
  const { publicUrl } = config.http;
  const { dataDir } = config.installation;
  writePidFile(dataDir, port);
  const next = made
    ? `These secrets are shown once, here and in ${dataDir}/first-run.txt:\n\n${firstSecrets(made, publicUrl)}`
    : nextKey(publicUrl);
  const place = whereabouts({
    ...config.http,
    version: VERSION,
    port,
    edgePort,
    dataDir,
    databaseDir,
    machineAddress: addressOfMachine(),
  });
  // Last, where the eye is when the terminal stands still: the lines above it are longer than a screen.
  const setup = setupToken === null ? '' : `${setupLink(publicUrl, setupToken)}\n`;
  process.stdout.write(`\n${place}\n${next}\n${setup}`);
}

/** The first address of the machine that is not its own alone; IPv4, which every network has. */
function addressOfMachine(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

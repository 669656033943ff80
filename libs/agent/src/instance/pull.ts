import { AgentExit, EXIT } from '../cli/exit-codes.js';
import { writeFileAtomic } from '../config/atomic-file.js';
import { InstanceHost, type InstanceOptions } from './enrolled.js';
import { SiteRevoked } from './instance.js';
import { begin, bundleFolder, clearAway } from './runner.js';

/**
 * `gatehouse-agent bundle pull`: what `run` does up to the start of a program, once, for whoever starts it (docs/instances.md §6). The bundle
 * counts as applied when it is there, since nothing tells more.
 * @param out folder of the bundle's files
 * @param envFile where its variables go, as a shell and systemd read them
 * @throws AgentExit as `run`
 */
export async function pull(options: InstanceOptions, out: string, envFile: string | undefined, signal: AbortSignal) {
  const host = new InstanceHost(options, signal);
  try {
    const owned = await host.own();
    const folder = bundleFolder(owned.context, out);
    const { enrolled, preparation, bundle, running } = await begin(host, owned, folder);
    if (envFile !== undefined) writeVariables(envFile, running.env);
    folder.switchTo(running.folder);
    folder.keepOnly([running.folder]);
    preparation.settled(bundle.payload);
    enrolled.instance.applied(bundle);
    await enrolled.instance.acknowledge(bundle, 'applied');
    options.log.info(`bundle ${running.version} is in ${folder.current}`);
    host.release({ phase: 'stopped' });
  } catch (error) {
    if (error instanceof SiteRevoked) await clearAway(options, out);
    const refused = error instanceof AgentExit && error.code === EXIT.refused;
    host.release({ phase: refused ? 'refused' : 'stopped', lastError: options.log.redact((error as Error).message) });
    throw error;
  }
}

function writeVariables(path: string, env: Record<string, string>): void {
  const quoted = (value: string) => `'${value.replaceAll("'", String.raw`'\''`)}'`;
  try {
    writeFileAtomic(
      path,
      Object.entries(env)
        .map(([name, value]) => `${name}=${quoted(value)}\n`)
        .join(''),
    );
  } catch (error) {
    throw new AgentExit(EXIT.stateNotWritable, `${path} cannot be written: ${(error as Error).message}`);
  }
}

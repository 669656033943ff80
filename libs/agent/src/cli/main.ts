import { readFileSync } from 'node:fs';
import { runAgent } from '../agent.js';
import { configFilePath, readShown } from '../config/config-file.js';
import { resolveSettings } from '../config/options.js';
import { withoutLineEnds } from '../config/text.js';
import { Log, redactKeys } from '../log.js';
import { checkBlueprint } from './blueprint-command.js';
import { AgentExit, EXIT } from './exit-codes.js';
import { type Invocation, parseFlags } from './flags.js';
import { findAgent, noteAgent } from './running-agents.js';
import { showConfig } from './show-config.js';
import { statusCommand } from './status-command.js';

const env = withoutLineEnds(process.env);
const stderr = (text: string) => void process.stderr.write(text);
const stdout = (text: string) => void process.stdout.write(text);

try {
  process.exitCode = await main(parseFlags(process.argv.slice(2)));
} catch (error) {
  const known = error instanceof AgentExit;
  stderr(`gatehouse-agent: ${redactKeys(known ? error.message : String((error as Error).stack ?? error))}\n`);
  process.exitCode = known ? error.code : EXIT.internal;
}

async function main(invocation: Invocation): Promise<number> {
  if (invocation.command === 'print') {
    stdout(invocation.text);
    return EXIT.ok;
  }
  if (invocation.command === 'blueprint-check') {
    const { code, text } = checkBlueprint(invocation.file, env);
    stdout(text);
    return code;
  }
  const given = configFilePath(invocation.configFile, env);
  if (invocation.command === 'run') return run(given, invocation);
  const named = invocation.configFile !== undefined || Boolean(env['CONFIG_FILE']);
  const configFile = invocation.command === 'status' && !named ? await findAgent(given, env, Date.now()) : given;
  const resolved = resolveSettings(invocation.cli, env, readShown(configFile, new Log(stderr)));
  if (invocation.command === 'show-config') {
    stdout(showConfig(configFile, resolved));
    return EXIT.ok;
  }
  const { code, text } = await statusCommand(configFile, resolved, invocation.json, Date.now());
  stdout(text);
  return code;
}

async function run(configFile: string, invocation: Extract<Invocation, { cli: unknown }>): Promise<number> {
  noteAgent(configFile, env);
  const agent = runAgent({
    configFile,
    cli: invocation.cli,
    env,
    write: stderr,
    readStdin: () => readFileSync(0),
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void agent.stop());
  process.on('SIGHUP', () => agent.reload());
  const { code } = await agent.done;
  // What is left may only be an idle socket on its way out; nobody waits for it.
  process.exit(code);
}

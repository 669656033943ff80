import { readFileSync } from 'node:fs';
import { runAgent } from '../agent.js';
import { systemClock } from '../clock.js';
import { configFilePath, readShown } from '../config/config-file.js';
import { resolveSettings } from '../config/options.js';
import type { SettingValue } from '../config/settings.js';
import { withoutLineEnds } from '../config/text.js';
import type { InstanceOptions } from '../instance/enrolled.js';
import { Log, redactKeys } from '../log.js';
import { checkBlueprint } from './blueprint-command.js';
import { AgentExit, EXIT } from './exit-codes.js';
import { type Given, type Invocation, parseFlags } from './flags.js';
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
  if (invocation.command === 'agent') return agent(given, invocation);
  if (invocation.command === 'run') return run(given, invocation);
  if (invocation.command === 'bundle-pull') return bundlePull(given, invocation);
  if (invocation.command === 'bundle-status') {
    const { bundleStatus } = await import('../instance/bundle-status.js');
    const file = readShown(given, new Log(stderr));
    const { settings } = resolveSettings(invocation.cli, env, file);
    const asked = { json: invocation.json, clock: systemClock, machineRoot: '/' };
    const { code, text } = await bundleStatus(given, file, settings, asked);
    stdout(text);
    return code;
  }
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

async function agent(configFile: string, invocation: Given): Promise<number> {
  noteAgent(configFile, env);
  const running = runAgent({
    configFile,
    cli: invocation.cli,
    env,
    write: stderr,
    readStdin: () => readFileSync(0),
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void running.stop());
  process.on('SIGHUP', () => running.reload());
  const { code } = await running.done;
  // What is left may only be an idle socket on its way out; nobody waits for it.
  process.exit(code);
}

async function run(configFile: string, { cli, words }: Given & { words: string[] }): Promise<number> {
  noteAgent(configFile, env);
  const [{ Runner }, { FORWARDED_SIGNALS }] = await Promise.all([
    import('../instance/runner.js'),
    import('../instance/supervisor.js'),
  ]);
  const runner = new Runner(instanceOptions(configFile, cli), words);
  for (const signal of FORWARDED_SIGNALS) process.on(signal, () => runner.signal(signal));
  const { code } = await runner.done;
  process.exit(code);
}

async function bundlePull(
  configFile: string,
  { cli, out, envFile }: Given & { out: string; envFile?: string },
): Promise<number> {
  const { pull } = await import('../instance/pull.js');
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stopping.abort(new AgentExit(EXIT.unreachable, `stopped by ${signal}`)));
  await pull(instanceOptions(configFile, cli), out, envFile, stopping.signal);
  process.exit(EXIT.ok);
}

function instanceOptions(configFile: string, cli: ReadonlyMap<string, SettingValue>): InstanceOptions {
  return {
    configFile,
    cli,
    env,
    log: new Log(stderr),
    readStdin: () => readFileSync(0),
    clock: systemClock,
    random: Math.random,
    machineRoot: '/',
  };
}

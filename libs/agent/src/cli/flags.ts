import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SETTINGS, type SettingValue } from '../config/settings.js';
import { AGENT_VERSION } from '../version.js';
import { AgentExit, EXIT } from './exit-codes.js';

export type Invocation =
  | { command: 'run' | 'status' | 'show-config'; cli: Map<string, SettingValue>; configFile?: string; json: boolean }
  | { command: 'blueprint-check'; file: string }
  | { command: 'print'; text: string };

const OWN_BOOLEANS = ['version', 'show-config', 'json', 'help', 'h'];
const BOOLEANS = new Set([...SETTINGS.filter((s) => s.kind === 'boolean').map((s) => s.flag), ...OWN_BOOLEANS]);
const WITHOUT_EFFECT = SETTINGS.filter((s) => s.use !== 'used' && s.flag).map((s) => `--${s.flag}`);
const EXIT_CODES =
  'Exit codes: 0 stopped, 64 usage, 69 server unreachable with --no-wait, 70 internal, 73 state not writable, 75 pending with --no-wait, 77 refused, 78 configuration.\n' +
  'status ends with 0 connected and approved, 75 pending, 69 enrolled but not connected, 77 refused, 78 not enrolled.\n' +
  'blueprint check FILE ends with 0 nothing wrong, 65 problems, 66 no such file.';
const KNOWN = new Set([...SETTINGS.map((s) => s.flag), ...OWN_BOOLEANS, 'config-file']);

/**
 * Reads the command line in the syntax of Go's flag package, which newt's users write: `-x`, `--x`, `--x=v`, `--x v`,
 * and booleans as `--x` or `--x=false` only (docs/newt.md §1.1).
 * @throws AgentExit 64 for an unknown flag, a bad value or an unexpected word
 */
export function parseFlags(argv: readonly string[]): Invocation {
  let printed = '';
  const program = buildProgram((text) => {
    printed += text;
  });
  try {
    program.parse(normalise(argv), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { command: 'print', text: printed };
    throw usage(error.message.replace(/^error: /, ''));
  }
  const values = program.opts<Record<string, SettingValue>>();
  if (values['version'] === true) return { command: 'print', text: `gatehouse-agent ${AGENT_VERSION}\n` };
  const [command, extra] = program.args;
  if (command === 'blueprint') return blueprintCommand(program.args);
  const unexpected = command !== undefined && command !== 'status' ? command : extra;
  if (unexpected !== undefined) {
    throw usage(`unexpected argument '${unexpected}' (a boolean flag takes its value as --flag=false)`);
  }
  const cli = new Map<string, SettingValue>();
  for (const { key, flag } of SETTINGS) {
    const value = flag === undefined ? undefined : values[attribute(flag)];
    if (value !== undefined) cli.set(key, value);
  }
  const configFile = values['configFile'];
  return {
    command: values['showConfig'] === true ? 'show-config' : command === 'status' ? 'status' : 'run',
    cli,
    json: values['json'] === true,
    ...(typeof configFile === 'string' && configFile !== '' ? { configFile } : {}),
  };
}

function blueprintCommand([, verb, file, ...more]: readonly string[]): Invocation {
  if (verb !== 'check' || file === undefined || file === '' || more.length > 0)
    throw usage('write: gatehouse-agent blueprint check FILE');
  return { command: 'blueprint-check', file };
}

function buildProgram(print: (text: string) => void): Command {
  const program = new Command('gatehouse-agent')
    .description(
      'Claims a site with a provisioning key and keeps it connected. `status` says whether this machine is enrolled, approved and connected. `blueprint check FILE` tells what is wrong with a blueprint.',
    )
    .addHelpText(
      'after',
      `\nAlso accepted, without effect in this version: ${WITHOUT_EFFECT.join(' ')}\n\n${EXIT_CODES}`,
    )
    .helpCommand(false)
    .usage('[flags] [status | blueprint check FILE]')
    .argument('[words...]')
    .helpOption('-h, --help', 'show this help')
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: () => undefined });
  program.addOption(new Option('--config-file <path>', 'config and state file [env CONFIG_FILE]'));
  for (const name of ['version', 'show-config', 'json']) {
    const help = {
      version: 'print the version',
      'show-config': 'print every setting and where it comes from',
      json: 'status as JSON',
    }[name];
    program.addOption(new Option(`--${name} [bool]`, help).argParser(goBoolean));
  }
  for (const { flag, env, kind, use, help } of SETTINGS) {
    if (flag === undefined) continue;
    const option = new Option(
      `--${flag} ${kind === 'boolean' ? '[bool]' : '<value>'}`,
      `${help}${env ? ` [env ${env}]` : ''}`,
    );
    option.hidden = use !== 'used';
    option.negate = false; // --no-wait is a flag of its own, not the opposite of --wait
    if (kind === 'boolean') option.argParser(goBoolean);
    if (kind === 'list') option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
    program.addOption(option);
  }
  return program;
}

/** Rewrites Go's forms to the one that commander reads without guessing: `--flag=value`. */
function normalise(argv: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--' || word === '-' || !word.startsWith('-')) {
      out.push(word);
      continue;
    }
    const [name = '', ...rest] = word.replace(/^--?/, '').split('=');
    if (name === 'h' || name === 'help') {
      out.push('--help');
      continue;
    }
    // The value behind a mistyped flag may be a secret: leave it out of the complaint.
    if (!KNOWN.has(name)) return [`--${name}`];
    if (rest.length > 0) out.push(`--${name}=${rest.join('=')}`);
    else if (BOOLEANS.has(name)) out.push(`--${name}=true`);
    else if (i + 1 < argv.length) out.push(`--${name}=${argv[++i] ?? ''}`);
    else out.push(`--${name}`);
  }
  return out;
}

function goBoolean(value: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value)) return false;
  throw new InvalidArgumentError('It is neither true nor false.');
}

function attribute(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function usage(message: string): AgentExit {
  return new AgentExit(
    EXIT.usage,
    `${message}\nUsage: gatehouse-agent [flags] [status | blueprint check FILE]; --help lists the flags`,
  );
}

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SETTINGS, type SettingValue } from '../config/settings.js';
import { AGENT_VERSION } from '../version.js';
import { AgentExit, EXIT } from './exit-codes.js';

/** What commands that work with the state file are given. */
export type Given = { cli: Map<string, SettingValue>; configFile?: string };
export type Invocation =
  | ({ command: 'agent' | 'status' | 'show-config' | 'bundle-status'; json: boolean } & Given)
  /** `words`: the program and its arguments. */
  | ({ command: 'run'; words: string[] } & Given)
  | ({ command: 'bundle-pull'; out: string; envFile?: string } & Given)
  | { command: 'blueprint-check'; file: string }
  | { command: 'print'; text: string };

const OWN_BOOLEANS = ['version', 'show-config', 'json', 'help', 'h'];
// Not --env-file: Node takes that for itself, wherever it stands.
const OWN_VALUES = ['config-file', 'out', 'env-out'];
const BOOLEANS = new Set([...SETTINGS.filter((s) => s.kind === 'boolean').map((s) => s.flag), ...OWN_BOOLEANS]);
const WITHOUT_EFFECT = SETTINGS.filter((s) => s.use !== 'used' && s.flag).map((s) => `--${s.flag}`);
const USAGE = '[flags] [status | run -- COMMAND | bundle pull --out DIR | bundle status | blueprint check FILE]';
const RUN = 'gatehouse-agent run [flags] -- COMMAND [ARGUMENTS]';
const EXIT_CODES =
  'Exit codes: 0 stopped, 64 usage, 65 bundle invalid, or none can be made with --no-wait, 69 server unreachable with --no-wait, or in time, 70 internal, 73 state not writable, 75 pending with --no-wait, 76 server too old, 77 refused, 78 configuration.\n' +
  'run ends with the exit code of the program; where that never ran, or was ended by a revocation, with one of the above.\n' +
  'status ends with 0 connected and approved, 75 pending, 69 enrolled but not connected, 77 refused, 78 not enrolled.\n' +
  'bundle status ends with 0 there is a lease, 69 there is none, or it has ended, 77 refused or revoked, 78 not enrolled.\n' +
  'blueprint check FILE ends with 0 nothing wrong, 65 problems, 66 no such file.';
const KNOWN = new Set([...SETTINGS.map((s) => s.flag), ...OWN_BOOLEANS, ...OWN_VALUES]);

/**
 * Reads the command line in the syntax of Go's flag package, which newt's users write: `-x`, `--x`, `--x=v`, `--x v`,
 * and booleans as `--x` or `--x=false` only (docs/newt.md §1.1).
 * @throws AgentExit 64 for an unknown flag, a bad value or an unexpected word
 */
export function parseFlags(all: readonly string[]): Invocation {
  // What stands behind -- is another program's.
  const end = all.indexOf('--');
  const argv = end < 0 ? all : all.slice(0, end);
  const behind = end < 0 ? [] : all.slice(end + 1);
  let printed = '';
  const program = buildProgram((text) => {
    printed += text;
  });
  try {
    program.parse(normalise(argv), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { command: 'print', text: printed };
    const hint = error.message.includes("'--env-file'") ? '; the file for the variables of a bundle is --env-out' : '';
    throw usage(`${error.message.replace(/^error: /, '')}${hint}`);
  }
  const values = program.opts<Record<string, SettingValue>>();
  if (values['version'] === true) return { command: 'print', text: `gatehouse-agent ${AGENT_VERSION}\n` };
  const [command, extra] = [...program.args, ...(program.args[0] === 'run' ? [] : behind)];
  if (command === 'blueprint') return blueprintCommand(program.args);
  if (
    command === 'bundle' &&
    !(program.args.length === 2 && ['pull', 'status'].includes(extra ?? '') && behind.length === 0)
  )
    throw usage('write: gatehouse-agent bundle pull --out DIR [--env-out FILE], or gatehouse-agent bundle status');
  if (command === 'run' && extra !== undefined)
    throw usage(`'${extra}' stands where flags are expected; write: ${RUN}`);
  const isBundle = command === 'bundle';
  const unexpected = ['status', 'run', undefined].includes(command) ? extra : isBundle ? undefined : command;
  if (unexpected !== undefined) {
    throw usage(`unexpected argument '${unexpected}' (a boolean flag takes its value as --flag=false)`);
  }
  const cli = new Map<string, SettingValue>();
  for (const { key, flag } of SETTINGS) {
    const value = flag === undefined ? undefined : values[attribute(flag)];
    if (value !== undefined) cli.set(key, value);
  }
  const { configFile, out, envOut: envFile } = values;
  const given = { cli, ...(typeof configFile === 'string' && configFile !== '' ? { configFile } : {}) };
  const json = values['json'] === true;
  if (values['showConfig'] === true) return { command: 'show-config', json, ...given };
  if (isBundle && extra === 'pull') {
    if (typeof out !== 'string' || out === '')
      throw usage('write: gatehouse-agent bundle pull --out DIR [--env-out FILE]');
    return { command: 'bundle-pull', out, ...(typeof envFile === 'string' ? { envFile } : {}), ...given };
  }
  if (out !== undefined || envFile !== undefined) throw usage('--out and --env-out are for bundle pull');
  if (isBundle) return { command: 'bundle-status', json, ...given };
  if (command !== 'run') return { command: command === 'status' ? 'status' : 'agent', json, ...given };
  if (behind.length === 0 || behind[0] === '') throw usage(`write: ${RUN}`);
  return { command: 'run', words: behind, ...given };
}

function blueprintCommand([, verb, file, ...more]: readonly string[]): Invocation {
  if (verb !== 'check' || file === undefined || file === '' || more.length > 0)
    throw usage('write: gatehouse-agent blueprint check FILE');
  return { command: 'blueprint-check', file };
}

function buildProgram(print: (text: string) => void): Command {
  const program = new Command('gatehouse-agent')
    .description(
      'Claims a site with a provisioning key and keeps it connected. `status` says whether this machine is enrolled, approved and connected. `run -- COMMAND` starts a program that has a valid key, configuration and secrets, and only then; `bundle pull` fetches them for another that starts it. `blueprint check FILE` tells what is wrong with a blueprint.',
    )
    .addHelpText(
      'after',
      `\nAlso accepted, without effect in this version: ${WITHOUT_EFFECT.join(' ')}\n\n${EXIT_CODES}`,
    )
    .helpCommand(false)
    .usage(USAGE)
    .argument('[words...]')
    .helpOption('-h, --help', 'show this help')
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: () => undefined });
  program.addOption(new Option('--config-file <path>', 'config and state file [env CONFIG_FILE]'));
  program.addOption(new Option('--out <folder>', "bundle pull: folder for the bundle's files"));
  program.addOption(
    new Option('--env-out <path>', "bundle pull: file for the bundle's variables, as a shell reads them"),
  );
  for (const name of ['version', 'show-config', 'json']) {
    const help = {
      version: 'print the version',
      'show-config': 'print every setting and where it comes from',
      json: 'status, bundle status: as JSON',
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
    if (word === '-' || !word.startsWith('-')) {
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
  return new AgentExit(EXIT.usage, `${message}\nUsage: gatehouse-agent ${USAGE}; --help lists the flags`);
}

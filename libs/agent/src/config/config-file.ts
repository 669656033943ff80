import { chmodSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import type { Log } from '../log.js';
import { writeFileAtomic } from './atomic-file.js';
import { jsonProblem } from './json-problem.js';
import { SETTINGS } from './settings.js';
import type { StateSeal } from './state-seal.js';
import { decodeText } from './text.js';

export type FileContent = Record<string, unknown>;

/** What the agent keeps for its claim, under `claim` in the config file: the nonce belongs to the hardware id it was made for. */
export type ClaimIdentity = { hardwareId: string; nonce: string };

/**
 * The path of the config and state file: flag, then `CONFIG_FILE`, then newt's place (docs/newt.md §1.2), so that a machine can
 * change agents and keep its site.
 */
export function configFilePath(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
): string {
  if (flag) return flag;
  if (env['CONFIG_FILE']) return env['CONFIG_FILE'];
  if (platform === 'win32') return join(env['PROGRAMDATA'] ?? 'C:\\ProgramData', 'newt', 'newt-client', 'config.json');
  const home = env['HOME'] ?? homedir();
  return platform === 'darwin'
    ? join(home, 'Library', 'Application Support', 'newt-client', 'config.json')
    : join(home, '.config', 'newt-client', 'config.json');
}

/**
 * Reads the file; missing, empty or blank is an empty one. A file that others may read is tightened to 0600.
 * @throws AgentExit 78 for invalid JSON, a wrong type, or a file that may not be read
 */
export function readConfigFile(path: string, log: Log): FileContent {
  let bytes: Buffer;
  try {
    tighten(path, log);
    bytes = readFileSync(path);
  } catch (error) {
    if (isMissing(error)) return {};
    throw misconfigured(`the config file ${path} cannot be read: ${(error as Error).message}`);
  }
  if (isBlank(bytes)) return {};
  const decoded = decodeText(bytes);
  if ('problem' in decoded) throw misconfigured(`the config file ${path} cannot be read: ${decoded.problem}`);
  let content: unknown;
  try {
    content = JSON.parse(decoded.text);
  } catch {
    // The parser's own message quotes the text, which may hold a secret.
    throw misconfigured(`the config file ${path} is not valid JSON: ${jsonProblem(decoded.text)}`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw misconfigured(`the config file ${path} is not a JSON object`);
  checkTypes(path, content as FileContent);
  return content as FileContent;
}

/** What a seal hides, under `sealed` in the file. */
const HIDDEN = ['secret', 'next', 'bundleKey'];

/**
 * The file with what is sealed in it.
 * @throws AgentExit 78 as {@link readConfigFile} does, and when the seal does not open or its key is not given
 */
export function readState(path: string, log: Log, seal: StateSeal | undefined): FileContent {
  const { sealed, ...content } = readConfigFile(path, log);
  if (typeof sealed !== 'string') return content;
  if (seal === undefined)
    throw misconfigured(`the credential in ${path} is sealed: give its key with --state-key-file FILE`);
  return { ...content, ...seal.open(sealed, path) };
}

/** The file as a command sees it that only shows: a sealed secret is there, and not to be read. */
export function readShown(path: string, log: Log): FileContent {
  const content = readConfigFile(path, log);
  return typeof content['sealed'] === 'string' ? { ...content, secret: '(sealed)' } : content;
}

/** Seals what an earlier start without the key, or an installer, left in clear. @throws AgentExit 73 when it cannot be written */
export function sealState(path: string, log: Log, seal: StateSeal | undefined): void {
  if (seal === undefined) return;
  const content = readConfigFile(path, log);
  if (HIDDEN.some((key) => content[key] !== undefined)) updateConfigFile(path, {}, log, seal);
}

/** A file is there and nothing is in it, or nothing but zeros: what a power cut leaves of one that was being written. */
export function isEmptied(path: string): boolean {
  try {
    return isBlank(readFileSync(path));
  } catch {
    return false;
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0 || byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/**
 * Changes keys of the file and keeps all others: 2-space indent, keys sorted, as newt writes it. `undefined` removes a key.
 * @param seal hides the credential and the bundle key, also where they were in clear before
 * @throws AgentExit 73 when it cannot be written
 */
export function updateConfigFile(path: string, changes: FileContent, log: Log, seal?: StateSeal): void {
  const content: FileContent = { ...readState(path, log, seal), ...changes };
  if (seal !== undefined) {
    const hidden = Object.fromEntries(
      HIDDEN.flatMap((key) => (content[key] === undefined ? [] : [[key, content[key]]])),
    );
    for (const key of HIDDEN) delete content[key];
    if (Object.keys(hidden).length > 0) content['sealed'] = seal.seal(hidden);
  }
  const sorted: FileContent = {};
  for (const key of Object.keys(content).sort()) if (content[key] !== undefined) sorted[key] = content[key];
  try {
    writeFileAtomic(path, JSON.stringify(sorted, null, 2));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const hint = code === 'EBUSY' ? ' (a single mounted file cannot be replaced: mount its directory)' : '';
    throw new AgentExit(
      EXIT.stateNotWritable,
      `the state file ${path} cannot be written: ${(error as Error).message}${hint}`,
    );
  }
}

/** The claim identity kept in a file, if there is a whole one. */
export function claimIdentityOf(content: FileContent): ClaimIdentity | undefined {
  const claim = content['claim'];
  if (typeof claim !== 'object' || claim === null) return undefined;
  const { hardwareId, nonce } = claim as Record<string, unknown>;
  return typeof hardwareId === 'string' && typeof nonce === 'string' && hardwareId !== '' && nonce !== ''
    ? { hardwareId, nonce }
    : undefined;
}

/** Whether the claim of a file made a site that goes by itself (docs/claims.md rule 32). */
export function isEphemeral(content: FileContent): boolean {
  const claim = content['claim'];
  return typeof claim === 'object' && claim !== null && typeof (claim as FileContent)['ephemeralSeconds'] === 'number';
}

function checkTypes(path: string, content: FileContent): void {
  for (const { key, kind, use, notInFile } of SETTINGS) {
    const value = content[key];
    if (use !== 'used' || notInFile || value === undefined || value === null) continue;
    const fits =
      kind === 'list' ? Array.isArray(value) && value.every((v) => typeof v === 'string') : typeof value === kind;
    if (!fits)
      throw misconfigured(
        `the config file ${path} has a wrong ${key}: it must be a ${kind === 'list' ? 'list of strings' : kind}`,
      );
  }
}

function tighten(path: string, log: Log): void {
  if (process.platform === 'win32') return;
  const stat = statSync(path);
  const mode = stat.mode & 0o777;
  if (!stat.isFile() || (mode & 0o077) === 0) return;
  const was = mode.toString(8).padStart(4, '0');
  try {
    chmodSync(path, 0o600);
    log.warn(`${path} was open to other users (mode ${was}); it is 0600 now`);
  } catch {
    log.warn(`${path} is open to other users (mode ${was}) and cannot be tightened`);
  }
}

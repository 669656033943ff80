import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { misconfigured } from './exit-codes.js';
import { readStatus } from './status-file.js';

const NAME = 'gatehouse-agent';
type Env = NodeJS.ProcessEnv;

/**
 * Notes where this agent's config file is, so that `status` finds it whatever flags, environment and home it was started with. Notes stay:
 * whether an agent runs is seen at its config file. Where nothing can be noted, `status` needs to be told the file.
 */
export function noteAgent(configFile: string, env: Env): void {
  const path = resolve(configFile);
  for (const folder of folders(env)) {
    try {
      mkdirSync(folder, { mode: 0o755 });
    } catch {
      // there already, or the next one
    }
    if (!isOurs(folder)) continue;
    try {
      const name = createHash('sha256').update(path).digest('hex').slice(0, 32);
      writeFileSync(join(folder, `${name}.json`), JSON.stringify({ configFile: path }), { mode: 0o644 });
      return;
    } catch {
      // the next one
    }
  }
}

/**
 * The config file to look at: the given one, or that of the agent that runs when it is another.
 * @param usual where an agent without flags has it
 * @throws AgentExit 78 when several run, naming their files, or one whose state this user may not read
 */
export async function findAgent(usual: string, env: Env, now: number): Promise<string> {
  if ((await readStatus(usual, now))?.running) return usual;
  for (const folder of folders(env)) {
    const running: string[] = [];
    const closed: string[] = [];
    for (const configFile of notedIn(folder)) {
      const report = await readStatus(configFile, now);
      if (report?.running) running.push(configFile);
      else if (report === undefined && isClosed(configFile)) closed.push(configFile);
    }
    if (running.length > 1) throw misconfigured(`several agents run; give one --config-file of: ${running.join(', ')}`);
    if (running[0] !== undefined) return running[0];
    if (closed[0] !== undefined)
      throw misconfigured(`an agent of another user has its state in ${closed[0]}: ask as that user, or with sudo`);
  }
  return usual;
}

/** Where notes may be, nearest first. All but the first are the same for every process of a user, however it was started. */
function folders(env: Env): string[] {
  const uid = process.getuid?.();
  if (uid === undefined) return [join(env['PROGRAMDATA'] ?? 'C:\\ProgramData', NAME)];
  const session = env['XDG_RUNTIME_DIR'];
  const own = [`/run/user/${uid}/${NAME}`, `/tmp/${NAME}-${uid}`];
  return [...(session ? [join(session, NAME)] : []), ...(uid === 0 ? [`/run/${NAME}`] : own), `/run/${NAME}`];
}

/** In /tmp another user may have made the folder first. */
function isOurs(folder: string, orRoot = false): boolean {
  try {
    const stat = lstatSync(folder);
    const uid = process.getuid?.() ?? stat.uid;
    return stat.isDirectory() && (stat.uid === uid || (orRoot && stat.uid === 0));
  } catch {
    return false;
  }
}

function notedIn(folder: string): string[] {
  if (!isOurs(folder, true)) return [];
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const path = join(folder, name);
    try {
      const { configFile } = JSON.parse(readFileSync(path, 'utf8')) as { configFile?: unknown };
      return typeof configFile === 'string' ? [configFile] : [];
    } catch {
      return [];
    }
  });
}

function isClosed(configFile: string): boolean {
  try {
    lstatSync(configFile);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

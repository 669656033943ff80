import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { misconfigured } from '../cli/exit-codes.js';

/** Another user, as whom the program runs. `groups` are all of theirs, the primary one first. */
export type ChildUser = { name: string; uid: number; gid: number; groups: number[]; home: string };

/** What stands in front of a command, and the user that `spawn` is to take. */
export type Launch = { prefix: string[]; uid?: number; gid?: number };

/**
 * Looks a user up in /etc/passwd and /etc/group.
 * @param name name or number of a user (docs/instances.md §7.5)
 * @param root where the machine's own files are, for tests
 * @throws AgentExit 78 when there is no such user
 */
export function lookUpUser(name: string, root = '/'): ChildUser {
  const numeric = /^\d{1,10}$/.test(name);
  for (const [login = '', , uid = '', gid = '', , home = '/'] of entries(join(root, 'etc/passwd'))) {
    if (login !== name && !(numeric && uid === name)) continue;
    const primary = Number(gid);
    const others = entries(join(root, 'etc/group'))
      .filter(([, , , members = '']) => members.split(',').includes(login))
      .map(([, , id = '']) => Number(id));
    return { name: login, uid: Number(uid), gid: primary, groups: [...new Set([primary, ...others])], home };
  }
  throw misconfigured(`--user ${name}: there is no such user in /etc/passwd`);
}

function entries(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}

/**
 * How a program is started: by `setpriv` of util-linux where it is found, which gives it the groups of its user and has the kernel send it
 * SIGTERM when the agent is killed (docs/adr/0054-who-ends-the-program.md); otherwise directly.
 * @throws AgentExit 78 when the agent has not the rights, or the user has groups that nothing here can give
 */
export function launchAs(user: ChildUser | undefined, env: NodeJS.ProcessEnv): Launch {
  const as = user === undefined || isSelf(user) ? undefined : user;
  if (as && process.geteuid?.() !== 0)
    throw misconfigured(`--user ${as.name} needs root: this is user ${process.geteuid?.()}`);
  const identity = as ? ['--reuid', `${as.uid}`, '--regid', `${as.gid}`, '--groups', as.groups.join(',')] : [];
  const prefix = ['setpriv', ...identity, '--pdeathsig', 'TERM', '--'];
  if (process.platform === 'linux' && works([...prefix, 'true'], env)) return { prefix };
  if (!as) return { prefix: [] };
  if (as.groups.length > 1)
    throw misconfigured(
      `--user ${as.name}: that user has more groups than one, which takes setpriv (of util-linux) and CAP_SETUID and CAP_SETGID`,
    );
  return { prefix: [], uid: as.uid, gid: as.gid };
}

function isSelf({ uid, gid }: ChildUser): boolean {
  return process.geteuid?.() === uid && process.getegid?.() === gid;
}

function works([file = '', ...args]: string[], env: NodeJS.ProcessEnv): boolean {
  const path = env['PATH'] === undefined ? {} : { PATH: env['PATH'] };
  return spawnSync(file, args, { env: path, stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** What a program finds in its environment about its user, as login and systemd say it. */
export function userVariables(user: ChildUser | undefined): Record<string, string> {
  return user ? { HOME: user.home, USER: user.name, LOGNAME: user.name } : {};
}

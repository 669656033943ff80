// @ts-check
// Which processes serve from a DATA_DIR, one file a port, so that a start that finds its place taken can say by whom.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from './is-alive.mjs';

const NAME = /^server-(\d+)\.pid$/;

/**
 * Says that this process serves, until it ends.
 *
 * @param {string} dataDir
 * @param {number} port
 */
export function writePidFile(dataDir, port) {
  const file = join(dataDir, `server-${port}.pid`);
  writeFileSync(file, `${process.pid}\n`, { mode: 0o600 });
  process.once('exit', () => rmSync(file, { force: true }));
}

/**
 * The servers of this DATA_DIR that run; files of those that were killed go.
 *
 * @param {string} dataDir
 * @returns {{ pid: number, port: number }[]}
 */
export function runningServers(dataDir) {
  if (!existsSync(dataDir)) return [];
  return readdirSync(dataDir).flatMap((name) => {
    const port = NAME.exec(name)?.[1];
    if (port === undefined) return [];
    const pid = Number.parseInt(readFileSync(join(dataDir, name), 'utf8'), 10);
    if (pid > 0 && pid !== process.pid && isAlive(pid) && isNode(pid)) return [{ pid, port: Number(port) }];
    rmSync(join(dataDir, name), { force: true });
    return [];
  });
}

/**
 * A pid that was given to another program since is no server; where the system does not tell, it counts as one.
 *
 * @param {number} pid
 */
function isNode(pid) {
  try {
    return /node|gatehouse/i.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return true;
  }
}

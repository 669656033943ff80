// @ts-check
import { readFileSync } from 'node:fs';

/**
 * Whether a process runs. One that has ended stays in the table until its parent asks, which not every process 1 does at once.
 *
 * @param {number} pid
 */
export function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { readText } from '../enrol/hardware-id.js';

/** A moment as two clocks show it: the wall, which anybody may set, and the time since the machine booted, which nobody can. */
export type Moment = { wall: number; uptime: number; boot: string };

/** How long ago a lease was taken, as it is stored: what was counted up to a moment, and that moment. */
export type LeaseTime = {
  /** When it was taken, by the wall. */
  taken: number;
  /** Counted without the wall since then. */
  ran: number;
  /** The most that either has shown: it never shrinks. */
  elapsed: number;
  uptime: number;
  boot: string;
};

/** Now. @param machineRoot where the files of this machine are */
export function momentOf(clock: Clock, machineRoot: string): Moment {
  const boot = readText(join(machineRoot, 'proc/sys/kernel/random/boot_id')) ?? '';
  return { wall: clock.now(), uptime: clock.uptime(), boot };
}

/**
 * Begins to count at a lease that has just come.
 * @param issued `iat` of the lease in milliseconds: a machine whose clock stands at 1970 takes the server's word for the time, so that a
 *   clock that is set right later is no leap of decades
 */
export function leaseTaken(now: Moment, issued: number): LeaseTime {
  return { taken: Math.max(now.wall, issued), ran: 0, elapsed: 0, uptime: now.uptime, boot: now.boot };
}

/**
 * Counts on, in the larger of both clocks. After a boot at least the time since then has passed, whatever the wall says.
 * @returns what to store; `elapsed` is the answer
 */
export function counted(before: LeaseTime, now: Moment): LeaseTime {
  const sameBoot = now.boot === before.boot && now.uptime >= before.uptime;
  const ran = before.ran + (sameBoot ? now.uptime - before.uptime : now.uptime);
  const elapsed = Math.max(before.elapsed, ran, now.wall - before.taken);
  return { ...before, ran, elapsed, uptime: now.uptime, boot: now.boot };
}

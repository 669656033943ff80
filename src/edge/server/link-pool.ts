import { Injectable } from '@nestjs/common';
import type { TargetLink } from './target-link.js';

/** Idle links to one target, at any moment. */
const MAX_IDLE = 512;
/** Those of them that are kept when a rush is over. */
const KEPT_IDLE = 64;
const RUSH_MS = 5_000;
/** Web servers keep idle connections for five seconds to two minutes, and end them themselves. */
const IDLE_MS = 60_000;

/** Links that carried an exchange to its end and wait for another one, by a key that says for whom they are good. */
@Injectable()
export class LinkPool {
  private readonly idle = new Map<string, TargetLink[]>();

  /**
   * @param idleMs for how long it may have waited: a target may be ending it at this moment
   * @returns the link that was put back last, or undefined
   */
  take(key: string, idleMs = IDLE_MS): TargetLink | undefined {
    const links = this.idle.get(key);
    for (let last = links?.at(-1); last; last = links?.at(-1)) {
      if (last.isOpen && performance.now() - last.idleSince > idleMs) return undefined;
      links!.pop();
      if (links!.length === 0) this.idle.delete(key);
      if (last.isOpen) return last;
      last.drop();
    }
    return undefined;
  }

  /** Keeps a link whose last exchange is over and left nothing. */
  put(key: string, link: TargetLink, now = performance.now()): void {
    link.idleSince = now;
    const links = this.idle.get(key);
    if (!links) return void this.idle.set(key, [link]);
    links.push(link);
    if (links.length > MAX_IDLE) links.shift()!.drop();
  }

  /** Ends links that nobody has taken for long. */
  sweep(now = performance.now()): void {
    for (const [key, links] of this.idle) {
      while (links[0] && now - links[0].idleSince >= (links.length > KEPT_IDLE ? RUSH_MS : IDLE_MS))
        links.shift()!.drop();
      if (links.length === 0) this.idle.delete(key);
    }
  }

  /** Ends all. */
  clear(): void {
    for (const links of this.idle.values()) for (const link of links.splice(0)) link.drop();
    this.idle.clear();
  }

  get size(): number {
    let size = 0;
    for (const links of this.idle.values()) size += links.length;
    return size;
  }
}

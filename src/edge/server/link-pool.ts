import { Injectable } from '@nestjs/common';
import type { TargetLink } from './target-link.js';

/** Idle links to one target, at any moment. */
const MAX_IDLE = 512;
/** To all targets of a site: half of the streams that one of its tunnels carries. */
const MAX_IDLE_OF_SITE = 2_000;
/** Those of them that are kept when a rush is over. */
const KEPT_IDLE = 64;
const RUSH_MS = 5_000;
/** Web servers keep idle connections for five seconds to two minutes, and end them themselves. */
const IDLE_MS = 60_000;

/** Links that carried an exchange to its end and wait for another one. */
@Injectable()
export class LinkPool {
  /** By their keys; who waits for the longest comes first, here and in the other. */
  private readonly idle = new Map<string, TargetLink[]>();
  private readonly ofSites = new Map<number, Set<TargetLink>>();

  /**
   * @param idleMs for how long it may have waited: a target may be ending it at this moment
   * @returns the link that was put back last, or undefined
   */
  take(key: string, idleMs = IDLE_MS): TargetLink | undefined {
    const links = this.idle.get(key);
    for (let last = links?.at(-1); last; last = links?.at(-1)) {
      if (last.isOpen && performance.now() - last.idleSince > idleMs) return undefined;
      links!.pop();
      this.leave(last);
      if (links!.length === 0) this.idle.delete(key);
      if (last.isOpen) return last;
      last.drop();
    }
    return undefined;
  }

  /** Keeps a link whose last exchange is over and left nothing. */
  put(link: TargetLink, now = performance.now()): void {
    const { key, siteId } = link;
    link.idleSince = now;
    const ofSite = this.ofSites.get(siteId) ?? new Set();
    this.ofSites.set(siteId, ofSite.add(link));
    const links = this.idle.get(key) ?? [];
    this.idle.set(key, links);
    if (links.push(link) > MAX_IDLE) this.end(links.shift()!);
    if (ofSite.size <= MAX_IDLE_OF_SITE) return;
    const [oldest] = ofSite;
    const others = this.idle.get(oldest!.key)!;
    others.splice(others.indexOf(oldest!), 1);
    if (others.length === 0) this.idle.delete(oldest!.key);
    this.end(oldest!);
  }

  /** Ends links that nobody has taken for long. */
  sweep(now = performance.now()): void {
    for (const [key, links] of this.idle) {
      while (links[0] && now - links[0].idleSince >= (links.length > KEPT_IDLE ? RUSH_MS : IDLE_MS))
        this.end(links.shift()!);
      if (links.length === 0) this.idle.delete(key);
    }
  }

  /** Ends all. */
  clear(): void {
    for (const links of this.idle.values()) for (const link of links.splice(0)) this.end(link);
    this.idle.clear();
  }

  get size(): number {
    let size = 0;
    for (const links of this.idle.values()) size += links.length;
    return size;
  }

  private end(link: TargetLink): void {
    this.leave(link);
    link.drop();
  }

  private leave(link: TargetLink): void {
    const ofSite = this.ofSites.get(link.siteId);
    ofSite?.delete(link);
    if (ofSite?.size === 0) this.ofSites.delete(link.siteId);
  }
}

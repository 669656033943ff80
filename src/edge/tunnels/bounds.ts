/** Resets of streams that one connection may send: nghttp2 at the other end takes about a thousand and 33 a second, and then ends the connection. */
export const RESETS_PER_SECOND = 20;

/** A budget that fills up with time. */
export class Budget {
  private left: number;
  private at: number;

  /** @param now milliseconds on a clock that never jumps */
  constructor(
    private readonly perSecond: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.left = perSecond;
    this.at = now();
  }

  /** @returns whether there was some left */
  take(): boolean {
    const now = this.now();
    this.left = Math.min(this.perSecond, this.left + ((now - this.at) / 1000) * this.perSecond);
    this.at = now;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}

export const FIRST_WINDOW = 256 * 1024;
const MANY = 100;
const FEW = 10;

/**
 * How much each stream may have on its way, by how many stand still because nobody reads them. There is one window for all streams of a connection, and
 * what stands still fills the memory of both ends.
 */
export function windowFor(stalled: number): number {
  if (stalled > MANY) return 64 * 1024;
  return stalled < FEW ? 1024 * 1024 : FIRST_WINDOW;
}

/** Streams that the other end does not close, and what it still sends on them. */
export const MAX_GHOSTS = 64;
export const MAX_GHOST_BYTES = 64 * 1024 * 1024;
/** From the end that a stream was given to its close. */
export const GHOST_MS = 10_000;
/** PINGs and SETTINGS of the other end within {@link CONTROL_MS}; it has reason to send a few. */
export const MAX_CONTROL_FRAMES = 200;
export const CONTROL_MS = 10_000;

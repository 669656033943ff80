import { Injectable } from '@nestjs/common';
import bcrypt from 'bcrypt';
import { AppError, invalid } from '../../../libs/platform/index.js';

const COST = 12;
/** bcrypt looks at no more; a longer password is refused rather than cut. */
export const MAX_PASSWORD_BYTES = 72;
export const MIN_PASSWORD_BYTES = 8;

/** Of nobody's password: an unknown user costs one comparison too. */
const NOBODY = '$2b$12$rWDXTBQ/.5z6Zg7Oev25e.xzQdp0pQidSfvxNc.yiGLGlH.7nO0KC';

const RUNNING_AT_MOST = 2;
const WAITING_PER_SOURCE = 20;
const WAITING_AT_MOST = 200;

/**
 * bcrypt, a bounded number at a time. Sources take turns, so that a flood of logins from one address delays the others by one
 * comparison instead of by its own length.
 */
@Injectable()
export class Passwords {
  private running = 0;
  private waiting = 0;
  /** Insertion order is the order of turns. */
  private readonly queues = new Map<string, (() => void)[]>();

  /** @throws validation naming `path` when the length is outside 8 to 72 bytes. */
  async hash(password: string, path = 'password'): Promise<string> {
    const bytes = Buffer.byteLength(password);
    if (bytes < MIN_PASSWORD_BYTES || bytes > MAX_PASSWORD_BYTES) {
      throw invalid(path, `must have ${MIN_PASSWORD_BYTES} to ${MAX_PASSWORD_BYTES} bytes`);
    }
    return this.inTurn('', () => bcrypt.hash(password, COST));
  }

  /** @returns false for null as well, after the same work. @throws capacity when too many are waiting. */
  async matches(password: string, hash: string | null, source: string): Promise<boolean> {
    const same = await this.inTurn(source, () => bcrypt.compare(password, hash ?? NOBODY));
    return same && hash !== null;
  }

  private async inTurn<T>(source: string, work: () => Promise<T>): Promise<T> {
    if (this.running >= RUNNING_AT_MOST) await this.wait(source);
    else this.running++;
    try {
      return await work();
    } finally {
      if (!this.wakeNext()) this.running--;
    }
  }

  private wait(source: string): Promise<void> {
    const queue = this.queues.get(source) ?? [];
    if (queue.length >= WAITING_PER_SOURCE || this.waiting >= WAITING_AT_MOST) {
      throw new AppError('capacity', 'Too many logins are being checked at the moment', { retryAfter: 5 });
    }
    this.waiting++;
    return new Promise((resolve) => {
      queue.push(resolve);
      this.queues.set(source, queue);
    });
  }

  /** Hands the place of a finished one on. @returns false when nobody waits. */
  private wakeNext(): boolean {
    const [next] = this.queues;
    if (!next) return false;
    const [source, queue] = next;
    this.queues.delete(source);
    const wake = queue.shift()!;
    if (queue.length > 0) this.queues.set(source, queue);
    this.waiting--;
    wake();
    return true;
  }
}

import { Injectable } from '@nestjs/common';
import bcrypt from 'bcrypt';
import { HashQueue, invalid, type Turn } from '#platform';

const COST = 12;
/** bcrypt looks at no more; a longer password is refused rather than cut. */
export const MAX_PASSWORD_BYTES = 72;
export const MIN_PASSWORD_BYTES = 8;

/** Of nobody's password: an unknown user costs one comparison too. */
const NOBODY = '$2b$12$rWDXTBQ/.5z6Zg7Oev25e.xzQdp0pQidSfvxNc.yiGLGlH.7nO0KC';

/** Passwords that people choose: bcrypt, in its turn. Whether there is such a user decides nothing about whose turn it is. */
@Injectable()
export class Passwords {
  constructor(private readonly queue: HashQueue) {}

  /** @throws validation naming `path` when the length is outside 8 to 72 bytes; capacity when too many are waiting. */
  async hash(password: string, turn: Turn, path = 'password'): Promise<string> {
    const bytes = Buffer.byteLength(password);
    if (bytes < MIN_PASSWORD_BYTES || bytes > MAX_PASSWORD_BYTES) {
      throw invalid(path, `must have ${MIN_PASSWORD_BYTES} to ${MAX_PASSWORD_BYTES} bytes`);
    }
    return this.queue.run(turn, () => bcrypt.hash(password, COST));
  }

  /** @returns false for null as well, after the same work. @throws capacity when too many are waiting. */
  async matches(password: string, hash: string | null, turn: Turn): Promise<boolean> {
    const same = await this.queue.run(turn, () => bcrypt.compare(password, hash ?? NOBODY));
    return same && hash !== null;
  }
}

import { Injectable } from '@nestjs/common';
import { FairQueue } from '../runtime/fair-queue.js';

/** Slow hashes (bcrypt). */
@Injectable()
export class HashQueue extends FairQueue {
  constructor() {
    super({
      running: 2,
      waitingPerSource: 20,
      waiting: 200,
      refusal: 'Too many passwords are being checked at the moment',
    });
  }
}

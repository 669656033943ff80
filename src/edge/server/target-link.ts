import type { TargetStream } from '../dialing/target-stream.js';
import { ResponseParser } from '../http/response-parser.js';

/** Who is told what happens on a link while an exchange is on it. */
export interface LinkUser {
  received(chunk: Buffer): void;
  /** The target said its last, in order. */
  ended(): void;
  /** The stream broke, or was ended by one side out of turn. */
  broken(): void;
  /** What was written has left; more may be. */
  drained(): void;
}

/** A stream to a target on which requests go out and answers come back, one after the other. */
export class TargetLink {
  readonly parser = new ResponseParser();
  /** Whether an exchange went over it before this one. */
  used = false;
  /** By `performance.now()`, when it was last put aside. */
  idleSince = 0;
  private user: LinkUser | undefined;

  /** @param key says for whom it is good, which is always the same site */
  constructor(
    readonly stream: TargetStream,
    readonly key: string,
    readonly siteId: number,
  ) {
    const { duplex } = stream;
    duplex.on('data', (chunk: Buffer) => {
      // A byte that nobody asked for is the beginning of somebody else's answer.
      if (this.user) this.user.received(chunk);
      else this.drop();
    });
    duplex.on('drain', () => this.user?.drained());
    // Whether it ended in order shows when it closes: a connection that breaks looks like an end before that.
    duplex.on('end', () => duplex.end());
    duplex.on('close', () => {
      if (this.user && stream.endedInOrder) this.user.ended();
      else if (this.user) this.user.broken();
      else this.drop();
    });
  }

  get isOpen(): boolean {
    return this.stream.isOpen;
  }

  /** Begins an exchange. */
  use(user: LinkUser): void {
    this.user = user;
  }

  /** The exchange is over; what comes now is unasked for. */
  release(): void {
    this.user = undefined;
    this.used = true;
    const { duplex } = this.stream;
    if (duplex.isPaused()) duplex.resume();
  }

  /** Gives the stream up. */
  drop(): void {
    this.user = undefined;
    this.stream.abort();
  }
}

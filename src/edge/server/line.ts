import type { Fields } from '../http/response-head.js';
import type { ResponseHandler } from '../http/response-parser.js';
import type { RequestBody } from './reply.js';
import type { TargetLink } from './target-link.js';

/** A request as its target is to get it, in fields of HTTP/1.1. */
export interface OutgoingRequest {
  method: string;
  /** Path and query. */
  target: string;
  fields: Fields;
  body: RequestBody | undefined;
  websocketKey: string | undefined;
}

/** Who is told what a target answers. */
export interface LineUser extends ResponseHandler {
  /** The answer is not whole, and no more of it comes. @param silent the target has said nothing at all */
  broken(silent: boolean): void;
  /** What was written has left; more may be. */
  drained(): void;
}

/** A way to put one request to a target, and to hear its answer, in whatever protocol it speaks. */
export interface Line {
  /** Whether another request went over the same connection before. */
  readonly used: boolean;
  /** Resolves when there is a connection; undefined where there is one already. @throws ConnectRefusal */
  readonly connecting: Promise<void> | undefined;
  /** Once the answer is broken: whether the way to the site was lost, rather than the target. */
  readonly isLost: boolean;
  /** What a websocket goes on over, where the protocol has them. */
  readonly link?: TargetLink;
  /** Sends the head. Called once, before all else. */
  begin(user: LineUser): void;
  /** @returns false: `drained` is called before more is to be written */
  write(part: Buffer): boolean;
  /** Ends a body. */
  end(trailers: Fields): void;
  pause(): void;
  resume(): void;
  /** Request and answer are over; the connection is kept for others where it may be. */
  release(): void;
  /** Gives the request up. Nothing is told any more. */
  drop(): void;
}

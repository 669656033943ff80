import type { Fields } from '../http/response-head.js';

/** The answer to one request, in whatever protocol it came. Nothing here throws; what is said after the visitor has gone is lost. */
export interface Reply {
  /** Whether a final head was written. */
  readonly begun: boolean;
  /** Whether nobody is there any more to read it. */
  readonly isGone: boolean;
  /** Bytes of body that were written. */
  readonly bytes: number;
  /** An answer before the answer: 100 or 103, for example. */
  interim(status: number, fields: Fields): void;
  /** @param length of the body, where it is known; 0: there is none */
  head(status: number, reason: string, fields: Fields, length: number | undefined): void;
  /** @returns false: `drained` is called before more is to be written */
  body(part: Buffer): boolean;
  end(trailers: Fields): void;
  /** Ends the answer so that the visitor sees that it is not whole. */
  cut(): void;
  /** Registers what is called when more may be written, and when the visitor has gone before the answer was over. */
  listen(drained: () => void, gone: () => void): void;
}

/** The body of a request. */
export interface RequestBody {
  length: number | 'chunked';
  /** What it is read from. */
  stream: NodeJS.ReadableStream & { readonly readableEnded: boolean };
  /** After its end. */
  trailers(): readonly string[];
}

import { VALUE } from './field-syntax.js';
import { type Fields, type Framing, ResponseError, readFields, readStatus } from './response-head.js';

export interface ResponseHead {
  status: number;
  /** As it was sent; may be nothing. */
  reason: string;
  fields: Fields;
  /** Of the body, where it is known before it came: 0 where there is none. */
  length: number | undefined;
}

/** What is told of a response, in this order: interim heads, a head, its body, its end; or an upgrade. None of these may throw. */
export interface ResponseHandler {
  interim(head: ResponseHead): void;
  head(head: ResponseHead): void;
  /** A part of the chunk that was written: valid until the caller changes that. */
  body(part: Buffer): void;
  end(trailers: Fields): void;
  /** The 101 that was asked for; `rest` is the first of what the target says in the other protocol. */
  upgraded(head: ResponseHead, rest: Buffer): void;
}

const MAX_HEAD = 32_768;
const MAX_INTERIM = 8;
/** Of a chunk's size: 16 TB. */
const MAX_SIZE_DIGITS = 11;
/** Of all extensions of a body's chunks. */
const MAX_EXTENSIONS = 16_384;

const CR = 13;
const LF = 10;
const CRLF = Buffer.from('\r\n');
const END_OF_HEAD = Buffer.from('\r\n\r\n');
const NO_FIELDS: Fields = [];

/** What comes next. */
const IDLE = 0;
const HEAD = 1;
const LENGTH = 2;
const UNTIL_CLOSE = 3;
const SIZE = 4;
const EXTENSION = 5;
const SIZE_LF = 6;
const DATA = 7;
const DATA_CR = 8;
const DATA_LF = 9;
const TRAILERS = 10;
/** Another protocol, or nothing that is taken. */
const OVER = 11;

/**
 * Reads the answers on one stream to a target, one after the other, at any split of what comes (RFC 9112). Where that leaves a choice it is
 * refused: what is passed on has one reading.
 */
export class ResponseParser {
  private state: number = IDLE;
  private handler: ResponseHandler;
  private withoutBody: boolean;
  private upgradeAsked: boolean;
  private interims: number;
  private closes: boolean;
  /** Bytes of body, or of the chunk, that are still to come. */
  private left: number;
  private digits: number;
  private extensions: number;
  /** The part of a head or trailer section that came so far, in `held` up to `heldLength`. */
  private held: Buffer = Buffer.alloc(0);
  private heldLength = 0;
  private kept = true;

  /** Whether the last response ended by its own framing, nothing came after it, and the target will take another request. */
  get reusable(): boolean {
    return this.state === IDLE && this.kept;
  }

  /** Another request was sent on the stream. */
  begin(request: { method: string; upgrade: boolean }, handler: ResponseHandler): void {
    if (!this.reusable) throw new Error('This stream takes no other request');
    this.handler = handler;
    this.withoutBody = request.method === 'HEAD';
    this.upgradeAsked = request.upgrade;
    this.interims = 0;
    this.state = HEAD;
  }

  /** Takes what came. @throws ResponseError after which the stream is of no use */
  write(chunk: Buffer): void {
    try {
      this.take(chunk);
    } catch (error) {
      this.state = OVER;
      throw error;
    }
  }

  /** The target ended the stream, in order: a stream that was cut is no end. @throws ResponseError cut_short */
  finish(): void {
    const { state } = this;
    this.kept = false;
    if (state === UNTIL_CLOSE) this.complete(NO_FIELDS);
    else if (state !== IDLE && state !== OVER) {
      this.state = OVER;
      throw new ResponseError('cut_short', 'the target ended its answer before it was complete');
    }
  }

  private take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.state) {
        case HEAD:
          at = this.takeHead(chunk, at);
          break;
        case UNTIL_CLOSE:
          this.handler.body(at === 0 ? chunk : chunk.subarray(at));
          return;
        case LENGTH:
        case DATA:
          at = this.takeBody(chunk, at);
          break;
        case TRAILERS:
          at = this.takeTrailers(chunk, at);
          break;
        case IDLE:
          // What follows an end has cost the stream already.
          if (!this.kept) return;
          this.kept = false;
          throw new ResponseError('left_over', 'the target sent what no request asked for');
        case OVER:
          throw new ResponseError('left_over', 'the stream takes no more');
        default:
          at = this.takeBetweenChunks(chunk, at);
      }
    }
  }

  private takeBody(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.left);
    this.left -= end - at;
    const whole = this.left === 0;
    this.handler.body(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (whole && this.state === DATA) this.state = DATA_CR;
    else if (whole) this.complete(NO_FIELDS, end < chunk.length);
    return end;
  }

  /** The line of a chunk's size, and the end of its data. */
  private takeBetweenChunks(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      const byte = chunk[at++]!;
      switch (this.state) {
        case SIZE: {
          const digit = hexDigit(byte);
          if (digit >= 0) {
            if (++this.digits > MAX_SIZE_DIGITS) throw badChunk();
            this.left = this.left * 16 + digit;
          } else {
            if (this.digits === 0) throw badChunk();
            if (byte === CR) this.state = SIZE_LF;
            else if (byte === 59) this.state = EXTENSION;
            else throw badChunk();
          }
          break;
        }
        case EXTENSION:
          if (byte === CR) this.state = SIZE_LF;
          else if (!VALUE[byte] || ++this.extensions > MAX_EXTENSIONS) throw badChunk();
          break;
        case SIZE_LF:
          if (byte !== LF) throw badChunk();
          if (this.left > 0) {
            this.state = DATA;
            return at;
          }
          // A section without fields is an end as well: it is one that begins behind a line.
          this.hold(CRLF, 0, 2);
          this.state = TRAILERS;
          return at;
        case DATA_CR:
          if (byte !== CR) throw badChunk();
          this.state = DATA_LF;
          break;
        case DATA_LF:
          if (byte !== LF) throw badChunk();
          this.beginChunk();
          break;
      }
    }
    return at;
  }

  private beginChunk(): void {
    this.left = 0;
    this.digits = 0;
    this.state = SIZE;
  }

  private takeTrailers(chunk: Buffer, from: number): number {
    const at = this.holdUntilEnd(chunk, from);
    if (at < 0) return chunk.length;
    const text = this.held.toString('latin1', 2, this.heldLength - 2);
    this.heldLength = 0;
    const trailers: Fields = [];
    readFields(text, 0, trailers);
    this.complete(trailers, at < chunk.length);
    return at;
  }

  private takeHead(chunk: Buffer, from: number): number {
    let text: string;
    let at: number;
    const end = this.heldLength === 0 ? chunk.indexOf(END_OF_HEAD, from) : -1;
    if (end >= 0) {
      at = end + 4;
      if (at - from > MAX_HEAD) throw tooLarge();
      text = chunk.toString('latin1', from, end + 2);
    } else {
      at = this.holdUntilEnd(chunk, from);
      if (at < 0) return chunk.length;
      text = this.held.toString('latin1', 0, this.heldLength - 2);
      this.heldLength = 0;
    }
    return this.judgeHead(text, chunk, at);
  }

  /** @returns how far the chunk was taken: to the end of the section, or -1 where that is still to come. */
  private holdUntilEnd(chunk: Buffer, from: number): number {
    const before = this.heldLength;
    const taken = Math.min(chunk.length - from, MAX_HEAD + 1 - before);
    this.hold(chunk, from, from + taken);
    const end = this.held.subarray(0, this.heldLength).indexOf(END_OF_HEAD, Math.max(0, before - 3));
    if (end >= 0) {
      this.heldLength = end + 4;
      if (this.heldLength > MAX_HEAD) throw tooLarge();
      return from + this.heldLength - before;
    }
    // A sender of other line ends is told at once, not when it has sent 32 KB.
    for (let i = Math.max(0, before - 1); i < this.heldLength; i++) {
      const byte = this.held[i];
      if (
        byte === LF
          ? i === 0 || this.held[i - 1] !== CR
          : byte === CR && i + 1 < this.heldLength && this.held[i + 1] !== LF
      )
        throw new ResponseError('field', 'a line ends by something else than CR LF');
    }
    if (this.heldLength > MAX_HEAD) throw tooLarge();
    return -1;
  }

  private hold(chunk: Buffer, from: number, to: number): void {
    const length = this.heldLength + to - from;
    if (length > this.held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(MAX_HEAD + 1, Math.max(1024, 2 * length)));
      this.held.copy(grown, 0, 0, this.heldLength);
      this.held = grown;
    }
    chunk.copy(this.held, this.heldLength, from, to);
    this.heldLength = length;
  }

  /** @returns how far the chunk was taken. */
  private judgeHead(text: string, chunk: Buffer, at: number): number {
    const line = text.indexOf('\r\n');
    const status = readStatus(text, line);
    const fields: Fields = [];
    const framing = readFields(text, line + 2, fields);
    const head = { status, reason: text.slice(13, line), fields, length: undefined as number | undefined };
    if (status < 200) return this.judgeInterim(head, framing, chunk, at);

    const { length, chunked } = framing;
    if (status === 204 && (chunked || (length ?? 0) > 0))
      throw new ResponseError('framing', 'an answer without content has the length of some');
    const old = text.charCodeAt(7) === 48;
    if (chunked && old) throw new ResponseError('framing', 'HTTP/1.0 knows no Transfer-Encoding');
    this.closes = framing.closes || (old && !framing.keepAlive);
    if (this.withoutBody || status === 204 || status === 304) {
      head.length = 0;
      this.handler.head(head);
      this.complete(NO_FIELDS, at < chunk.length);
    } else if (chunked) {
      this.extensions = 0;
      this.beginChunk();
      this.handler.head(head);
    } else if (length === undefined) {
      this.closes = true;
      this.state = UNTIL_CLOSE;
      this.handler.head(head);
    } else {
      this.left = length;
      this.state = LENGTH;
      head.length = length;
      this.handler.head(head);
      if (length === 0) this.complete(NO_FIELDS, at < chunk.length);
    }
    return at;
  }

  private judgeInterim(head: ResponseHead, { length, chunked }: Framing, chunk: Buffer, at: number): number {
    if (length !== undefined || chunked) throw new ResponseError('framing', 'an interim answer has a length');
    if (head.status === 101) {
      if (!this.upgradeAsked) throw new ResponseError('unasked_upgrade', 'the target changed the protocol unasked');
      this.state = OVER;
      this.kept = false;
      this.handler.upgraded(head, chunk.subarray(at));
      return chunk.length;
    }
    if (++this.interims > MAX_INTERIM)
      throw new ResponseError('too_many_interim', `more than ${MAX_INTERIM} interim answers`);
    this.handler.interim(head);
    return at;
  }

  /** @param more whether something came after the end */
  private complete(trailers: Fields, more = false): void {
    this.kept &&= !this.closes && !more;
    this.state = IDLE;
    this.handler.end(trailers);
  }
}

const badChunk = () => new ResponseError('chunk', 'the body has a chunk without a proper size or end');
const tooLarge = () => new ResponseError('head_too_large', `the head is longer than ${MAX_HEAD} bytes`);

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

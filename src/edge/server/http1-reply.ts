import type { ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import { isAll, isFieldValue, TOKEN } from '../http/field-syntax.js';
import type { Fields } from '../http/response-head.js';
import { wholeAnswer } from '../http/response-writer.js';
import type { Reply } from './reply.js';

/** For how long a connection is kept without another request. */
export const KEEP_ALIVE_MS = 75_000;
/** Of the body of an answer that is written in one piece with its head. */
const WHOLE_BYTES = 8_192;

interface Head {
  status: number;
  reason: string;
  fields: Fields;
  length: number | undefined;
}

/** An answer over HTTP/1.1 or 1.0. */
export class Http1Reply implements Reply {
  bytes = 0;
  private hasLength = false;
  /** What was not written yet: it leaves with the first of the body, or soon without it. */
  private waiting: Head | undefined;
  /** It was written at once, around `response`, whose ways cost some 4 % of a small request to the edge. */
  private isWhole = false;

  constructor(private readonly response: ServerResponse) {
    response.on('error', () => undefined);
  }

  get begun(): boolean {
    return this.waiting !== undefined || this.isWhole || this.response.headersSent;
  }

  get isGone(): boolean {
    return this.response.destroyed || this.response.socket?.destroyed === true;
  }

  interim(status: number, fields: Fields): void {
    const { response } = this;
    // HTTP/1.0 knows none (RFC 9110 §15.2), and before this answer is the next one another's would be torn.
    if (response.req.httpVersion !== '1.1' || response.headersSent || !response.socket) return;
    let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
    for (let i = 0; i < fields.length; i += 2)
      if (isAll(TOKEN, fields[i]!) && isFieldValue(fields[i + 1]!)) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
    response.socket.write(`${text}\r\n`, 'latin1');
  }

  head(status: number, reason: string, fields: Fields, length: number | undefined): void {
    const { response } = this;
    if (response.destroyed || this.begun) return;
    this.hasLength = length !== undefined;
    this.waiting = { status, reason, fields, length };
    if (length !== 0) sendSoon(this);
  }

  body(part: Buffer): boolean {
    this.bytes += part.length;
    const { response, waiting } = this;
    if (waiting && part.length === waiting.length && part.length <= WHOLE_BYTES && this.takesWhole()) {
      const whole = wholeAnswer(waiting, part, KEEP_ALIVE_MS / 1000);
      if (whole) {
        this.waiting = undefined;
        this.isWhole = true;
        return response.socket!.write(whole);
      }
    }
    this.writeHead();
    return response.destroyed || response.write(part);
  }

  end(trailers: Fields): void {
    const { response } = this;
    // By this node:http goes on to the next request of the connection.
    if (this.isWhole) return void response.emit('finish');
    this.writeHead();
    if (response.destroyed) return;
    if (trailers.length > 0) response.addTrailers(pairs(trailers));
    response.end();
  }

  /** Sends the head that still waits for the first of its body. */
  sendHead(): void {
    if (!this.waiting) return;
    this.writeHead();
    if (!this.response.destroyed) this.response.flushHeaders();
  }

  private writeHead(): void {
    const { waiting, response } = this;
    if (!waiting) return;
    this.waiting = undefined;
    if (response.destroyed) return;
    response.sendDate = true;
    try {
      response.writeHead(waiting.status, waiting.reason === '' ? undefined : waiting.reason, waiting.fields);
    } catch {
      // It holds what node:http writes for nobody.
      response.destroy();
    }
  }

  /** Whether the connection stays, and nothing that was written before waits on it: a visitor who does not read is waited for by `response` alone. */
  private takesWhole(): boolean {
    const { response } = this;
    const { req, socket } = response;
    return (
      socket !== null &&
      !socket.destroyed &&
      socket.writableLength === 0 &&
      response.shouldKeepAlive &&
      req.complete &&
      req.httpVersion === '1.1'
    );
  }

  cut(): void {
    this.writeHead();
    const { response, hasLength } = this;
    const { socket } = response;
    if (!socket) return void response.destroy();
    // What was written before leaves, which a reset may overtake.
    while (socket.writableCorked > 0) socket.uncork();
    // Without a length and chunks the end of the connection says that it is whole.
    const looksWhole = !hasLength && !response.chunkedEncoding;
    if (looksWhole && socket.constructor === Socket && !socket.destroyed) socket.resetAndDestroy();
    else response.destroy();
  }

  listen(drained: () => void, gone: () => void): void {
    const { response } = this;
    response.on('drain', drained);
    response.on('close', () => {
      if (!response.writableFinished && !this.isWhole) gone();
    });
  }
}

const pairs = (fields: Fields): [string, string][] =>
  Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]!, fields[2 * i + 1]!]);

let unsent: Http1Reply[] = [];

/** A head whose body does not come with it leaves at the end of this turn of the event loop. */
function sendSoon(reply: Http1Reply): void {
  if (unsent.length === 0) setImmediate(sendHeads);
  unsent.push(reply);
}

function sendHeads(): void {
  const replies = unsent;
  unsent = [];
  for (const reply of replies) reply.sendHead();
}

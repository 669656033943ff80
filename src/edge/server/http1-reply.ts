import type { ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import { isAll, isFieldValue, TOKEN } from '../http/field-syntax.js';
import type { Fields } from '../http/response-head.js';
import type { Reply } from './reply.js';

/** An answer over HTTP/1.1 or 1.0. */
export class Http1Reply implements Reply {
  bytes = 0;
  private hasLength = false;

  constructor(private readonly response: ServerResponse) {
    response.on('error', () => undefined);
  }

  get begun(): boolean {
    return this.response.headersSent;
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
    if (response.destroyed || response.headersSent) return;
    this.hasLength = length !== undefined;
    response.sendDate = true;
    response.writeHead(status, reason === '' ? undefined : reason, fields);
  }

  body(part: Buffer): boolean {
    this.bytes += part.length;
    const { response } = this;
    return response.destroyed || response.write(part);
  }

  end(trailers: Fields): void {
    const { response } = this;
    if (trailers.length > 0) response.addTrailers(pairs(trailers));
    response.end();
  }

  cut(): void {
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
      if (!response.writableFinished) gone();
    });
  }
}

const pairs = (fields: Fields): [string, string][] =>
  Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i]!, fields[2 * i + 1]!]);

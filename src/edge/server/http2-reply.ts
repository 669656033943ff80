import http2, { type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Fields } from '../http/response-head.js';
import type { Reply } from './reply.js';

const { NGHTTP2_INTERNAL_ERROR } = http2.constants;

/** An answer over HTTP/2. */
export class Http2Reply implements Reply {
  bytes = 0;
  private trailers: Fields = [];

  constructor(private readonly stream: ServerHttp2Stream) {
    stream.on('error', () => undefined);
  }

  get begun(): boolean {
    return this.stream.headersSent;
  }

  get isGone(): boolean {
    return this.stream.destroyed;
  }

  interim(status: number, fields: Fields): void {
    const { stream } = this;
    if (stream.destroyed || stream.headersSent) return;
    this.attempt(() => stream.additionalHeaders({ ':status': status, ...headersOf(fields) }));
  }

  head(status: number, _reason: string, fields: Fields, length: number | undefined): void {
    const { stream } = this;
    if (stream.destroyed || stream.headersSent) return;
    // gRPC tells by the end of the first frame that nothing follows.
    if (length === 0)
      return this.attempt(() => stream.respond({ ':status': status, ...headersOf(fields) }, { endStream: true }));
    stream.once('wantTrailers', () => this.attempt(() => stream.sendTrailers(headersOf(this.trailers))));
    this.attempt(() => stream.respond({ ':status': status, ...headersOf(fields) }, { waitForTrailers: true }));
  }

  body(part: Buffer): boolean {
    this.bytes += part.length;
    const { stream } = this;
    return !stream.writable || stream.write(part);
  }

  end(trailers: Fields): void {
    this.trailers = trailers;
    if (this.stream.writable) this.stream.end();
  }

  cut(): void {
    this.stream.close(NGHTTP2_INTERNAL_ERROR);
  }

  listen(drained: () => void, gone: () => void): void {
    const { stream } = this;
    stream.on('drain', drained);
    stream.on('close', () => {
      if (!stream.writableFinished || stream.rstCode !== 0) gone();
    });
  }

  /** Fields that node takes once only, and a target sent twice. */
  private attempt(say: () => void): void {
    try {
      say();
    } catch {
      this.cut();
    }
  }
}

/** As node takes them: one entry for each name. */
export function headersOf(fields: Fields): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null) as OutgoingHttpHeaders;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    const before = headers[name];
    const value = fields[i + 1]!;
    headers[name] = before === undefined ? value : [before, value].flat().map(String);
  }
  return headers;
}

import http2, { type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { isAll, isFieldValue, isLength, TOKEN } from '../http/field-syntax.js';
import { requestHead } from '../http/request-writer.js';
import type { Fields } from '../http/response-head.js';
import type { Line, LineUser, OutgoingRequest } from './line.js';
import { MAX_HEADER_BYTES, type TargetSession } from './target-session.js';

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_REFUSED_STREAM } = http2.constants;
const MAX_INTERIM = 8;
/** What says where a message of HTTP/1.1 ends, or is of its connection (RFC 9113 §8.2.2). */
const OF_A_CONNECTION = new Set(['host', 'connection', 'transfer-encoding', 'upgrade']);

/** A request of HTTP/1.1 as one of HTTP/2. @throws UnwritableRequest */
export function http2Head(request: OutgoingRequest): OutgoingHttpHeaders {
  const { method, target, fields } = request;
  // The same is refused as elsewhere.
  requestHead(method, target, fields);
  const kept: Fields = [];
  let authority = '';
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    if (name === 'host') authority = fields[i + 1]!;
    else if (!OF_A_CONNECTION.has(name)) kept.push(name, fields[i + 1]!);
  }
  return { ':method': method, ':scheme': 'http', ':authority': authority, ':path': target, ...joined(kept) };
}

/** Several of a name are one with commas (RFC 9110 §5.3): node takes some once only. */
function joined(fields: Readonly<Fields>): OutgoingHttpHeaders {
  const headers = Object.create(null) as Record<string, string>;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!.toLowerCase();
    headers[name] = headers[name] === undefined ? fields[i + 1]! : `${headers[name]}, ${fields[i + 1]}`;
  }
  return headers;
}

/** One request and its answer on a session of HTTP/2. */
export class Http2Line implements Line {
  readonly used: boolean;
  private stream: ClientHttp2Stream | undefined;
  private user: LineUser | undefined;
  private interims = 0;
  private heard = false;
  private begun = false;
  private requestTrailers: Fields = [];
  private trailers: Fields = [];

  constructor(
    private readonly session: TargetSession,
    private readonly request: OutgoingRequest,
    private readonly headers: OutgoingHttpHeaders,
  ) {
    this.used = session.used;
  }

  get connecting(): Promise<void> | undefined {
    return this.session.connecting;
  }

  get isLost(): boolean {
    return this.session.stream.isLost;
  }

  begin(user: LineUser): void {
    const { session, request } = this;
    this.user = user;
    const stream = session.request(this.headers, !request.body || request.body.length === 0);
    this.stream = stream;
    stream.on('error', () => undefined);
    stream.on('headers', (_headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      this.told(raw, (section) => this.interim(section)),
    );
    stream.on('response', (_headers: IncomingHttpHeaders, flags: number, raw: string[]) =>
      this.told(raw, (section) => this.head(section, (flags & NGHTTP2_FLAG_END_STREAM) !== 0)),
    );
    stream.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      this.told(raw, ({ fields }) => {
        this.trailers = fields;
      }),
    );
    stream.on('wantTrailers', () => {
      if (!stream.destroyed) stream.sendTrailers(joined(this.requestTrailers));
    });
    stream.on('drain', () => this.user?.drained());
    stream.on('end', () => {
      if (session.hasEnded(stream)) this.user?.end(this.trailers);
      else this.broken();
    });
    stream.on('close', () => this.broken());
  }

  write(part: Buffer): boolean {
    return !this.stream!.writable || this.stream!.write(part);
  }

  end(trailers: Fields): void {
    this.requestTrailers = trailers;
    this.stream!.end();
  }

  pause(): void {
    this.stream!.pause();
  }

  resume(): void {
    // Before the answer begins nobody would take what is read.
    if (this.begun) this.stream!.resume();
  }

  release(): void {
    this.user = undefined;
  }

  drop(): void {
    this.user = undefined;
    this.stream?.close(NGHTTP2_CANCEL);
  }

  /** Reads a section of fields, by the same rules as of HTTP/1.1. */
  private told(raw: string[], take: (section: { status: number; fields: Fields }) => void): void {
    if (!this.user) return;
    this.heard = true;
    const fields: Fields = [];
    let status = 0;
    let bytes = 0;
    for (let i = 0; i < raw.length; i += 2) {
      const [name, value] = [raw[i]!, raw[i + 1]!];
      bytes += name.length + value.length + 4;
      if (name === ':status') status = Number(value);
      else if (isAll(TOKEN, name) && isFieldValue(value)) fields.push(name, value);
      else return this.broken();
    }
    if (bytes > MAX_HEADER_BYTES) this.broken();
    else take({ status, fields });
  }

  private interim({ status, fields }: { status: number; fields: Fields }): void {
    // HTTP/2 changes no protocols (RFC 9113 §8.6).
    if (this.begun || status === 101 || ++this.interims > MAX_INTERIM) return this.broken();
    this.user!.interim({ status, reason: '', fields, length: undefined });
  }

  private head({ status, fields }: { status: number; fields: Fields }, isWhole: boolean): void {
    if (this.begun || status < 200 || status > 599) return this.broken();
    this.begun = true;
    const isEmpty = isWhole || this.request.method === 'HEAD' || status === 204 || status === 304;
    let length: number | undefined;
    for (let i = 0; i < fields.length; i += 2)
      if (fields[i] === 'content-length') {
        if (length !== undefined || !isLength(fields[i + 1]!)) return this.broken();
        length = Number(fields[i + 1]);
      }
    this.user!.head({ status, reason: '', fields, length: isEmpty ? 0 : length });
    this.stream!.on('data', (part: Buffer) => this.user?.body(part));
  }

  private broken(): void {
    const { user, stream } = this;
    this.user = undefined;
    stream?.close(NGHTTP2_CANCEL);
    user?.broken(!this.heard || stream?.rstCode === NGHTTP2_REFUSED_STREAM);
  }
}

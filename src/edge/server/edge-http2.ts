import { randomBytes } from 'node:crypto';
import http2, {
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { responseFields } from '../http/forwarded-fields.js';
import { checkHttp2Request } from '../http/request-checks.js';
import type { EdgeCall } from './edge-call.js';
import type { EdgeHandler } from './edge-handler.js';
import { peerOf, schemeOf } from './edge-sockets.js';
import { Http2Reply, headersOf } from './http2-reply.js';
import type { RequestBody } from './reply.js';
import { WebsocketJoin } from './websocket-join.js';

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_PROTOCOL_ERROR } = http2.constants;

const MAX_HEADER_BYTES = 16_384;
/** Fields and pseudo-fields; what is beyond is refused with a reason up to twice of it, and without one beyond. */
const MAX_PAIRS = 256;
const MAX_STREAMS = 128;
/** Without any stream. */
const IDLE_MS = 75_000;

/** The edge's server of HTTP/2. It takes connections that are handed to it, and listens nowhere. */
export function createEdgeHttp2(handler: EdgeHandler): Http2Server {
  const server = http2.createServer({
    maxHeaderListPairs: MAX_PAIRS,
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      // Of RFC 9113 §6.5.2, which counts 32 for each field.
      maxHeaderListSize: 2 * MAX_HEADER_BYTES,
      enableConnectProtocol: true,
    },
  });
  server.on('session', (session) => {
    session.on('error', () => undefined);
    session.setTimeout(IDLE_MS, () => session.close());
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream, _headers: IncomingHttpHeaders, flags: number, rawHeaders: string[]) =>
    take(handler, stream, flags, rawHeaders),
  );
  return server;
}

function take(handler: EdgeHandler, stream: ServerHttp2Stream, flags: number, rawHeaders: string[]): void {
  const reply = new Http2Reply(stream);
  const checked = checkHttp2Request(rawHeaders);
  if ('problem' in checked) {
    // What can be read in two ways is no request of this protocol (RFC 9113 §8.1.1).
    if (checked.status === 400) return stream.close(NGHTTP2_PROTOCOL_ERROR);
    return handler.problem(reply, checked);
  }
  const { session } = stream;
  if (!session || session.destroyed) return;
  const isWebsocket = checked.websocket;
  handler.handle({
    checked,
    rawHeaders,
    peer: peerOf(session.socket as Socket),
    scheme: schemeOf(session.socket as Socket),
    body: isWebsocket ? undefined : bodyOf(stream, flags, rawHeaders),
    websocketKey: isWebsocket ? randomBytes(16).toString('base64') : undefined,
    reply,
    join: isWebsocket ? joinOf(stream) : undefined,
    wantBody: () => {
      if (!stream.headersSent && !stream.destroyed) stream.additionalHeaders({ ':status': 100 });
    },
  });
}

function bodyOf(stream: ServerHttp2Stream, flags: number, rawHeaders: readonly string[]): RequestBody | undefined {
  if ((flags & NGHTTP2_FLAG_END_STREAM) !== 0) return undefined;
  let length: RequestBody['length'] = 'chunked';
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i] === 'content-length') length = Number(rawHeaders[i + 1]);
  let trailers: string[] = [];
  stream.on('trailers', (headers: IncomingHttpHeaders) => {
    trailers = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().flatMap((one) => [name, one]));
  });
  return { length, stream, trailers: () => trailers };
}

/** A websocket over HTTP/2 (RFC 8441): 200 is what 101 is elsewhere, and there is nothing to accept. */
function joinOf(stream: ServerHttp2Stream): EdgeCall['join'] {
  return ({ status, fields }, rest, link, over) => {
    const out: OutgoingHttpHeaders = { ...headersOf(responseFields(fields, status)), ':status': 200 };
    delete out['sec-websocket-accept'];
    stream.removeAllListeners('close');
    stream.removeAllListeners('drain');
    stream.respond(out);
    const joined = new WebsocketJoin(stream, link, over);
    if (rest.length > 0) joined.received(rest);
    return joined;
  };
}

import { randomUUID } from 'node:crypto';
import http, { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { answerInTurn } from '#platform';
import { edgeAnswer } from '../http/error-pages.js';
import { responseFields } from '../http/forwarded-fields.js';
import { checkRequest, websocketKey } from '../http/request-checks.js';
import type { EdgeCall } from './edge-call.js';
import type { EdgeHandler } from './edge-handler.js';
import { peerOf, schemeOf } from './edge-sockets.js';
import { Http1Reply, KEEP_ALIVE_MS } from './http1-reply.js';
import type { RequestBody } from './reply.js';
import { WebsocketJoin } from './websocket-join.js';

const MAX_HEADER_BYTES = 16_384;
/** For the head of a request. */
const HEADERS_MS = 30_000;

/** The edge's server of HTTP/1.1 and 1.0. It takes connections that are handed to it, and listens nowhere. */
export function createEdgeHttp1(handler: EdgeHandler): Server {
  const server = http.createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    // An upload takes as long as it takes.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 5_000,
    // Judged here, with everything else about a request.
    requireHostHeader: false,
  });
  /** Those that wait with their body. */
  const waiting = new WeakSet<IncomingMessage>();
  const take = (request: IncomingMessage, response: ServerResponse) => {
    const wantBody = () => {
      if (waiting.has(request)) response.writeContinue();
    };
    const reply = new Http1Reply(response);
    const { rawHeaders } = request;
    const checked = checkRequest(request.method!, request.url!, request.httpVersion, rawHeaders);
    if ('problem' in checked) return handler.problem(reply, checked);
    handler.handle({
      checked,
      rawHeaders,
      peer: peerOf(request.socket),
      scheme: schemeOf(request.socket),
      body: bodyOf(request),
      websocketKey: undefined,
      reply,
      wantBody,
    });
  };
  server.on('request', take);
  answerInTurn(server);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.add(request);
    server.emit('request', request, response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const key = websocketKey(request.method!, request.httpVersion, request.rawHeaders);
    if (key === undefined) return withoutUpgrade(server, request, socket, head);
    takeWebsocket(handler, request, socket, head, key);
  });
  server.on('clientError', refuseUnreadable);
  server.on('connection', keepPaused);
  return server;
}

/**
 * A socket that is resumed and paused again within one turn is read on by node:http all the same, and no later pause stops it: a body whose target
 * is slower than its visitor would come to be in memory as a whole.
 */
function keepPaused(socket: Socket): void {
  socket.on('resume', () => {
    if (socket.readableFlowing === false) socket.emit('pause');
  });
}

function bodyOf(request: IncomingMessage): RequestBody | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  if (length === undefined && coding === undefined) return undefined;
  return {
    length: coding === undefined ? Number(length) : 'chunked',
    stream: request,
    trailers: () => request.rawTrailers,
  };
}

/** Answers a request that asks for a websocket on a socket that the server has let go of. */
function takeWebsocket(
  handler: EdgeHandler,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  key: string,
): void {
  socket.on('error', () => undefined);
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => {
    response.detachSocket(socket);
    socket.end();
    socket.resume();
  });
  const { rawHeaders } = request;
  const reply = new Http1Reply(response);
  const checked = checkRequest(request.method!, request.url!, request.httpVersion, rawHeaders);
  if ('problem' in checked) return handler.problem(reply, checked);
  const join: EdgeCall['join'] = ({ status, reason, fields }, rest, link, over) => {
    response.removeAllListeners('close');
    response.detachSocket(socket);
    let text = `HTTP/1.1 ${status} ${reason || 'Switching Protocols'}\r\n`;
    const out = [...responseFields(fields, status), 'Upgrade', 'websocket', 'Connection', 'Upgrade'];
    for (let i = 0; i < out.length; i += 2) text += `${out[i]}: ${out[i + 1]}\r\n`;
    socket.write(`${text}\r\n`, 'latin1');
    const joined = new WebsocketJoin(socket, link, over);
    if (rest.length > 0) joined.received(rest);
    if (head.length > 0) socket.unshift(head);
    return joined;
  };
  handler.handle({
    checked,
    rawHeaders,
    peer: peerOf(socket),
    scheme: schemeOf(socket),
    body: undefined,
    websocketKey: key,
    reply,
    join,
    wantBody: () => undefined,
  });
}

/**
 * A request that asks for any other upgrade, or wrongly for a websocket, is one without that (RFC 9110 §7.8). The server has stopped to read at its head,
 * so that it is read again, with its body, without what asked for it.
 */
function withoutUpgrade(server: Server, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (name !== 'upgrade' && name !== 'http2-settings' && name !== 'connection')
      text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  }
  socket.unshift(Buffer.concat([Buffer.from(`${text}Connection: close\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}

/** What is no request of HTTP/1.1, or came too slowly: a clear answer, and the connection ends. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) return void socket.destroy();
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const { fields, body } = edgeAnswer(status === 431 ? 'too_many_fields' : 'bad_request', randomUUID(), false);
  let text = `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nConnection: close\r\n`;
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  socket.end(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), body]));
}

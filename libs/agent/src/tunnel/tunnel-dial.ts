import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import { TUNNEL } from '../../../contracts/index.js';
import { beginningOf, envelopeMessage } from '../session/refused-upgrade.js';
import { describe, NetworkFailure, type ServerLink } from '../session/server-link.js';

const BUFFER = 256 * 1024;

/** How a connection is upgraded: the plain one first, the other for proxies that pass nothing else on. */
export const TRANSPORTS = ['upgrade', 'websocket'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** A connection on which HTTP/2 can be spoken. */
export type Dialed = {
  duplex: Duplex;
  /** The server process that answered, as it calls itself. */
  server: string;
  bytesRead(): number;
};

/** @see dial */
export type Dial = typeof dial;

/** The server itself has said no: trying the other transport is of no use. */
export class TunnelRefused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfter: string | string[] | undefined,
  ) {
    super(`${status}: ${message}`);
    this.name = 'TunnelRefused';
  }
}

/**
 * Opens one connection (docs/tunnel.md rule 1).
 * @throws TunnelRefused; NetworkFailure for what something in between has answered, or nobody; the signal's reason
 */
export function dial(link: ServerLink, transport: Transport, token: string, signal: AbortSignal): Promise<Dialed> {
  return transport === 'upgrade' ? upgraded(link, token, signal) : overWebSocket(link, token, signal);
}

async function upgraded(link: ServerLink, token: string, signal: AbortSignal): Promise<Dialed> {
  const { response, socket, head } = await link.upgrade(TUNNEL.path, TUNNEL.protocol, token, signal);
  if (!socket) throw await refusal(response);
  socket.on('error', () => undefined);
  socket.setTimeout(0);
  socket.setNoDelay(true);
  if (head.length > 0) socket.unshift(head);
  return { duplex: asAgreed(socket), server: serverOf(response), bytesRead: () => socket.bytesRead };
}

/** Node's HTTP/2 server asks the ALPN of a TLS connection; here the upgrade has agreed on the protocol. */
function asAgreed(socket: Socket): Socket {
  return 'alpnProtocol' in socket ? Object.defineProperty(socket, 'alpnProtocol', { value: 'h2' }) : socket;
}

function overWebSocket(link: ServerLink, token: string, signal: AbortSignal): Promise<Dialed> {
  const ws = link.openWebSocket(TUNNEL.path, token);
  return new Promise((resolve, reject) => {
    const abort = () => ws.terminate();
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', abort);
      ws.terminate();
      reject(signal.aborted ? signal.reason : error);
    };
    let server = '';
    let read = 0;
    signal.addEventListener('abort', abort, { once: true });
    ws.on('error', (error) => fail(new NetworkFailure(describe(error))));
    ws.on('upgrade', (response) => (server = serverOf(response)));
    ws.on('unexpected-response', (_request, response: IncomingMessage) => void refusal(response).then(fail));
    ws.on('open', () => {
      signal.removeEventListener('abort', abort);
      ws.on('message', (data: Buffer) => (read += data.length));
      const duplex = createWebSocketStream(ws, { readableHighWaterMark: BUFFER, writableHighWaterMark: BUFFER });
      duplex.on('error', () => undefined);
      resolve({ duplex, server, bytesRead: () => read });
    });
    if (signal.aborted) abort();
  });
}

const serverOf = ({ headers }: IncomingMessage): string => String(headers[TUNNEL.serverHeader] ?? '');

/** What an answer that is no 101 means. The server's own 400 and 404 are for a request that something in between has changed, or of an older server. */
async function refusal(response: IncomingMessage): Promise<Error> {
  const status = response.statusCode ?? 0;
  const said = envelopeMessage(await beginningOf(response));
  const retryAfter = response.headers['retry-after'];
  response.destroy();
  if (said !== undefined && status !== 400 && status !== 404) return new TunnelRefused(status, said, retryAfter);
  return new NetworkFailure(
    `the tunnel was answered with ${status}${said === undefined ? ', by something before the server' : ''}`,
    retryAfter,
  );
}

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, type Server as HttpsServer } from 'node:https';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { Injectable, Logger } from '@nestjs/common';
import { AGENT_PATHS } from '#contracts';
import { Config } from '../config/config.js';
import { readKeyPair, reloadKeyPair } from '../crypto/tls.js';
import { AppError } from '../errors.js';
import { errorBody } from './error-filter.js';
import { refuseUnreadable } from './fastify-adapter.js';
import { canonicalUrl } from './path-names.js';
import { ANEW, countHandshakes, PSK_CIPHERS, type PskKeys, rememberPsk } from './tls-credential.js';

const BACKLOG = 8192;
/** From the first byte of a connection to its first request; a slow link does it in a few seconds. */
const HANDSHAKE_MS = 30_000;

/** What machines ask; a path that ends in a slash stands for all below it. */
const PATHS = [
  '/api/v1/device/',
  '/api/v1/auth/device/',
  '/api/v1/auth/newt/',
  '/api/v1/provision',
  '/api/v1/ca/',
  '/.well-known/est/',
  AGENT_PATHS.websocket,
];

const CONTEXT: SecureContextOptions = { ...ANEW, ciphers: PSK_CIPHERS, dhparam: 'auto', honorCipherOrder: true };

/** The TLS listener on DEVICE_TLS_PORT: what machines ask, answered by the handlers of the main server and within its bounds (docs/credentials.md §4). */
@Injectable()
export class DeviceListener {
  private readonly logger = new Logger('Server');
  private server: HttpsServer | undefined;
  private keyOf: PskKeys = () => null;

  constructor(private readonly config: Config) {}

  /** @param keyOf asked within handshakes; `null` where the identity cannot be one of ours. */
  providePskKeys(keyOf: PskKeys): void {
    this.keyOf = keyOf;
  }

  /** Makes the server, which does not listen yet. @returns it, or nothing where there is to be none */
  serve(main: Server): Server[] {
    const { tls, deviceTlsPort } = this.config.http;
    if (deviceTlsPort === undefined || !tls) return [];
    const server = createServer({
      ...CONTEXT,
      ...readKeyPair(tls),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      requestTimeout: main.requestTimeout,
      headersTimeout: main.headersTimeout,
      keepAliveTimeout: main.keepAliveTimeout,
      pskCallback: (socket, identity) => rememberPsk(socket as TLSSocket, identity, this.keyOf),
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (isForMachines(request.url ?? '/')) main.emit('request', request, response);
      else refuse(response);
    });
    server.on('clientError', refuseUnreadable);
    countHandshakes(server);
    this.server = server;
    return [server];
  }

  /** Opens the port, with a certificate that is read again when it is renewed. */
  async listen(): Promise<void> {
    const { server, logger } = this;
    const { host, deviceTlsPort, tls } = this.config.http;
    if (!server) return;
    await new Promise<void>((done, failed) =>
      server.once('error', failed).listen({ port: deviceTlsPort, host, backlog: BACKLOG }, done),
    );
    const log = { info: (text: string) => logger.log(text), warn: (text: string) => logger.warn(text) };
    reloadKeyPair(server, tls!, log, CONTEXT);
  }
}

/** By its registered path: the router takes no other spelling of what stands in these. */
function isForMachines(url: string): boolean {
  const path = canonicalUrl(url).replace(/\?.*$/s, '');
  return PATHS.some((known) => (known.endsWith('/') ? path.startsWith(known) : path === known));
}

function refuse(response: ServerResponse): void {
  const error = new AppError('not_found', 'Nothing is served to machines here');
  const body = JSON.stringify(errorBody(error));
  response
    .writeHead(error.status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      'x-content-type-options': 'nosniff',
    })
    .end(body);
}

import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { selfSigned } from './certificate.js';

/** By the lines of docs/credentials.md §5: asks for a certificate, takes any, and overwrites the field; websockets pass through it. */
export class ClientCertProxy {
  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** @param target what is behind it, over plain HTTP @param secret what it proves itself with there */
  static async start(target: string, secret: string): Promise<ClientCertProxy> {
    const pair = await selfSigned('0e');
    const server = createServer({ ...pair, ca: [], requestCert: true, rejectUnauthorized: false });
    const forward = (incoming: IncomingMessage) => {
      const headers = overwritten(incoming, secret);
      return incoming.pipe(request(`${target}${incoming.url}`, { method: incoming.method, headers }));
    };
    server.on('request', (incoming, answer) =>
      forward(incoming).on('response', (reply) => {
        answer.writeHead(reply.statusCode!, reply.headers);
        reply.pipe(answer);
      }),
    );
    server.on('upgrade', (incoming: IncomingMessage, client: Duplex, early: Buffer) => {
      client.on('error', () => undefined);
      forward(incoming)
        .on('upgrade', (reply: IncomingMessage, behind: Duplex, first: Buffer) => {
          behind.on('error', () => client.destroy()).write(early);
          client.on('close', () => behind.destroy()).write(headOf(reply));
          client.write(first);
          behind.pipe(client).pipe(behind);
        })
        .on('response', (reply: IncomingMessage) => {
          client.write(headOf(reply));
          reply.pipe(client);
        });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new ClientCertProxy(server, (server.address() as AddressInfo).port);
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

function overwritten(incoming: IncomingMessage, secret: string): IncomingHttpHeaders {
  const der = (incoming.socket as TLSSocket).getPeerX509Certificate()?.raw;
  const { 'client-cert-chain': _, ...headers } = incoming.headers;
  return {
    ...headers,
    'client-cert': der ? `:${der.toString('base64')}:` : '::',
    'x-gatehouse-proxy': secret,
  };
}

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

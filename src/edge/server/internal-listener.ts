import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import { Config, Drain } from '#platform';
import { parseHost } from '../routing/host-table.js';
import { RouteLoader } from '../routing/route-loader.js';
import { RouteTable } from '../routing/route-table.js';
import { traefikDocument } from './traefik-document.js';

const HOST_KNOWN = '/api/v1/edge/host-known';
const TRAEFIK = '/api/v1/traefik-config';
const MAX_HEADER_BYTES = 8192;

/**
 * Tells a proxy in front of the edge which hosts there are (docs/behind-a-proxy.md), on a port of its own: it shows the hosts of all organizations to
 * everybody who reaches it, so that it is off unless INTERNAL_PORT is set, and on loopback unless INTERNAL_HOST says otherwise.
 */
@Injectable()
export class InternalListener {
  private edgePort = 0;
  private readonly server = http.createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) =>
    this.answer(request, response),
  );

  constructor(
    private readonly config: Config,
    private readonly table: RouteTable,
    private readonly loader: RouteLoader,
    drain: Drain,
  ) {
    drain.register('stop accepting', 'what proxies ask', async () => {
      this.server.close();
      this.server.closeAllConnections();
    });
  }

  /** @param edgePort undefined: this process has no edge, and nothing to tell. @returns the port, if it is set. @throws the error of the system */
  async listen(edgePort: number | undefined): Promise<number | undefined> {
    const { internalPort: port, internalHost: host } = this.config.edge;
    if (port === undefined || edgePort === undefined) return undefined;
    this.edgePort = edgePort;
    await new Promise<void>((done, failed) => this.server.once('error', failed).listen({ port, host }, done));
    return (this.server.address() as AddressInfo).port;
  }

  private answer({ method, url = '', headers }: IncomingMessage, response: ServerResponse): void {
    const end = (status: number) => void response.writeHead(status, { 'cache-control': 'no-store' }).end();
    if (method !== 'GET' && method !== 'HEAD') return end(405);
    const asked = URL.canParse(url, 'http://x') ? new URL(url, 'http://x') : undefined;
    if (!asked || (asked.pathname !== HOST_KNOWN && asked.pathname !== TRAEFIK)) return end(404);
    // What is not known yet is no answer: a proxy asks again, and keeps what it has.
    if (!this.loader.isLoaded) return end(503);
    if (asked.pathname === HOST_KNOWN) return end(this.isKnown(asked.searchParams.get('domain') ?? '') ? 200 : 404);
    // By the name under which the proxy reaches this process.
    const own = parseHost(headers.host ?? '')?.name ?? this.config.edge.host;
    const edge = `http://${own.includes(':') ? `[${own}]` : own}:${this.edgePort}`;
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    if (method === 'HEAD') return void response.end();
    const document = traefikDocument(this.table.served(), edge, asked.searchParams.get('certResolver'));
    pipeline(Readable.from(document), response).catch(() => undefined);
  }

  private isKnown(domain: string): boolean {
    const host = parseHost(domain);
    return host !== undefined && host.port === undefined && this.table.find(host.name) !== undefined;
  }
}

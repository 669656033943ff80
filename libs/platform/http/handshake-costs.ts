import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Counter } from 'prom-client';
import { addressBucket } from '../addresses.js';
import { Config } from '../config/config.js';
import { socketBelow } from '../crypto/tls-internals.js';
import { atMost } from '../runtime/at-most.js';
import { trustedProxies } from './trusted-proxies.js';

const WINDOW_MS = 60_000;
/** A device sends two to five kilobytes: its certificate, and perhaps the one of its authority. A fleet behind one address may come back at once. */
const BYTES_PER_WINDOW = 256 * 1024;
/** A handshake that fails below this had no room for a chain. */
const SMALL = 2 * 1024;
const KNOWN_MS = 3_600_000;
const ADDRESSES = 50_000;

const refused = new Counter({
  name: 'gatehouse_tls_refused_total',
  help: 'Connections closed at once, because certificates from their address have cost too much',
});

/**
 * What the certificates of strangers cost. OpenSSL verifies every link of the chain that a client sends, on the event loop and before anybody can look
 * at it, and its bounds are wide: 90 KB of RSA keys with large exponents take half a second. So the handshakes with certificates of one address, from
 * which no credential of a connection was let in within the hour, may have 256 KB a minute; then its connections are closed where they arrive. Proxies
 * of TRUST_PROXY are exempt: many devices come from them.
 */
@Injectable()
export class HandshakeCosts {
  private readonly spent = new LRUCache<string, number>({ ...atMost(ADDRESSES), ttl: WINDOW_MS, noUpdateTTL: true });
  private readonly known = new LRUCache<string, true>({ ...atMost(ADDRESSES), ttl: KNOWN_MS });
  private readonly isTrusted: (address: string) => boolean;

  constructor(config: Config) {
    this.isTrusted = trustedProxies(config);
  }

  /** Watches a server that asks its clients for certificates. */
  follow(server: Server): void {
    server.prependListener('connection', (socket: Socket) => {
      if (!this.isSpent(socket)) return;
      refused.inc();
      socket.destroy();
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.getPeerX509Certificate()) this.spend(socketBelow(socket));
    });
    server.on('tlsClientError', (_error: Error, socket: TLSSocket) => {
      const below = socketBelow(socket);
      if (below.bytesRead > SMALL) this.spend(below);
    });
  }

  /** The credential of a connection was let in: its address is no stranger's. */
  admitted({ remoteAddress = '' }: Socket): void {
    const source = addressBucket(remoteAddress);
    this.known.set(source, true);
    this.spent.delete(source);
  }

  private isSpent({ remoteAddress = '' }: Socket): boolean {
    return (this.spent.get(addressBucket(remoteAddress)) ?? 0) > BYTES_PER_WINDOW;
  }

  private spend({ remoteAddress = '', bytesRead }: Socket): void {
    const source = addressBucket(remoteAddress);
    if (this.known.has(source) || this.isTrusted(remoteAddress)) return;
    this.spent.set(source, (this.spent.get(source) ?? 0) + bytesRead);
  }
}

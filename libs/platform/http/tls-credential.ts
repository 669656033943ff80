import { constants } from 'node:crypto';
import type { Server, ServerOptions } from 'node:https';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { Counter } from 'prom-client';
import type { HttpConfig } from '../config/http-config.js';
import { sha256 } from '../crypto/crypto.js';
import { askByName } from '../crypto/tls-internals.js';

/**
 * The key of an identity, for a handshake. Identities that have no usable one get a key that nobody has, so that nothing tells them from a wrong
 * key; null: it cannot be an identity of ours, and the handshake goes on without it.
 */
export type PskKeys = (identity: string) => Buffer | null;

/** What the peer of a TLS connection has proved in its handshake: the key of an identity, or that of a certificate (DER). */
export type TlsCredential = { kind: 'psk'; identity: string } | { kind: 'certificate'; der: Buffer; hash: Buffer };

/**
 * In TLS 1.3 the suites of SHA-256: OpenSSL binds an external key to that hash, and would leave the key out and go on without beside another one. In
 * TLS 1.2 first those with a pre-shared key, since who offers one has one, always with an ephemeral exchange; then those with a certificate. The level
 * makes groups of DHE 2048 bits.
 */
export const PSK_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-AES256-CBC-SHA384',
  'ECDHE-PSK-AES128-CBC-SHA256',
  'DHE-PSK-AES256-GCM-SHA384',
  'DHE-PSK-AES128-GCM-SHA256',
  'DHE-PSK-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  '@SECLEVEL=2',
].join(':');

/**
 * No tickets, and no sessions under an id either, since nobody looks one up: each connection proves its credential anew. TLS 1.3 in this OpenSSL
 * names ids all the same; clients are told to forget them after a second. No renegotiation. No list of authorities goes out with the demand for a
 * certificate, since none is loaded (docs/credentials.md §4).
 */
export const ANEW: SecureContextOptions = {
  ca: [],
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  sessionTimeout: 1,
};

/** @returns with what the main port is served beside its pair: the demand for certificates of clients, where it is made. */
export function mainPortOptions({ mainPortCertificates }: HttpConfig): ServerOptions {
  if (!mainPortCertificates) return {};
  const { name } = mainPortCertificates;
  return {
    ...ANEW,
    ...(name === undefined ? { requestCert: true, rejectUnauthorized: false } : { SNICallback: askByName(name) }),
  };
}

const handshakes = new Counter({
  name: 'gatehouse_tls_handshakes_total',
  help: 'TLS handshakes with machines, by what they proved',
  labelNames: ['outcome'],
});

/** The identity that a handshake got a key for. */
const identities = new WeakMap<TLSSocket, string>();
const proven = new WeakMap<TLSSocket, TlsCredential | null>();

/** Answers OpenSSL within a handshake, which asks for one identity after the other until it gets a key. */
export function rememberPsk(socket: TLSSocket, identity: string, keyOf: PskKeys): Buffer | null {
  const key = keyOf(identity);
  if (key) identities.set(socket, identity);
  return key;
}

/** @returns what the peer of a connection has proved; undefined: nothing, or it is no TLS connection. */
export function tlsCredentialOf(socket: object): TlsCredential | undefined {
  if (!('encrypted' in socket)) return undefined;
  const tls = socket as TLSSocket;
  let found = proven.get(tls);
  if (found === undefined) {
    found = readCredential(tls);
    proven.set(tls, found);
  }
  return found ?? undefined;
}

function readCredential(socket: TLSSocket): TlsCredential | null {
  const identity = identities.get(socket);
  if (identity !== undefined && usedPsk(socket)) return { kind: 'psk', identity };
  const der = socket.getPeerX509Certificate()?.raw;
  return der ? { kind: 'certificate', der, hash: sha256(der) } : null;
}

/** In TLS 1.3 OpenSSL takes a connection by an external key for a resumed one; others are not resumed here. In TLS 1.2 the suite says it. */
const usedPsk = (socket: TLSSocket): boolean =>
  socket.getProtocol() === 'TLSv1.3' ? socket.isSessionReused() : /-PSK-/.test(socket.getCipher().name);

/** Counts the handshakes of a server, and ends those that fail without an answer in HTTP. */
export function countHandshakes(server: Server): void {
  server.on('secureConnection', (socket: TLSSocket) =>
    handshakes.inc({ outcome: tlsCredentialOf(socket)?.kind ?? 'anonymous' }),
  );
  server.prependListener('tlsClientError', (_error: Error, socket: TLSSocket) => {
    handshakes.inc({ outcome: 'failed' });
    socket.destroy();
  });
}

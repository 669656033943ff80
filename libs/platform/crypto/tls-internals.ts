import type { TLSSocket, TlsOptions } from 'node:tls';

/**
 * What is used of node:tls beyond what it documents, where it asks all clients of a server for certificates or none: a connection that is in its
 * handshake takes it as well, and the callback for the name runs on that connection. `tls-internals.spec.ts` shows that the installed version is built so.
 */
interface Handshaking {
  _handle: { setVerifyMode(request: boolean, reject: boolean): void };
}

/** @returns a callback that asks clients for a certificate which name this host, and no others. */
export function askByName(host: string): NonNullable<TlsOptions['SNICallback']> {
  return function (this: TLSSocket | undefined, name, done) {
    if (name.toLowerCase() === host) (this as unknown as Handshaking)._handle.setVerifyMode(true, false);
    done(null);
  };
}

import type { Socket } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';

/**
 * What is used of node:tls beyond what it documents. It asks all clients of a server for certificates or none: a connection that is in its handshake takes
 * it as well, and the callback for the name runs on that connection. And it does not say on which socket a server took a connection; to compare addresses
 * and ports costs system calls for each. `tls-internals.spec.ts` shows that the installed version is built so.
 */
interface Internals {
  _handle: { setVerifyMode(request: boolean, reject: boolean): void };
  _parent: Socket;
}

/** @returns a callback that asks clients for a certificate which name this host, and no others. */
export function askByName(host: string): NonNullable<TlsOptions['SNICallback']> {
  return function (this: TLSSocket | undefined, name, done) {
    if (name.toLowerCase() === host) (this as unknown as Internals)._handle.setVerifyMode(true, false);
    done(null);
  };
}

/** @returns the socket that the server took, with which it emitted `connection`. */
export const socketBelow = (socket: TLSSocket): Socket => (socket as unknown as Internals)._parent;

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import { rootCertificates, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Destination, TunnelError, TunnelTls } from '../../../contracts/index.js';
import type { DialPolicy } from './dial-policy.js';

const CONNECT_MS = 5_000;

/** Why a destination was not reached, for the answer to the CONNECT. */
export class DialFailure extends Error {
  constructor(
    readonly code: TunnelError,
    message: string,
  ) {
    super(message);
    this.name = 'DialFailure';
  }
}

export type TargetTls = { mode: TunnelTls; name: string; protocol: string | undefined };

/** Dials destinations as the policy lets it: a name is resolved once, each address is judged, and what was judged is what is dialed. */
export class Dialer {
  constructor(
    private readonly policy: DialPolicy,
    private readonly resolve: (host: string) => Promise<string[]> = resolved,
  ) {}

  /** @returns a socket that is connected, half-open when the other side ends. @throws DialFailure; the reason of the signal */
  async tcp(to: Destination, tls: TargetTls | undefined, signal: AbortSignal): Promise<Socket> {
    let failure: unknown;
    for (const address of await this.addresses(to)) {
      try {
        const socket = await connected(
          connect({ host: address, port: to.port, allowHalfOpen: true, noDelay: true }),
          'connect',
          signal,
        );
        return tls ? await this.encrypted(socket, to, tls, signal) : socket;
      } catch (error) {
        signal.throwIfAborted();
        failure ??= error;
        if (error instanceof DialFailure && error.code === 'tls') break;
      }
    }
    throw failure;
  }

  /** @returns a socket that speaks with the destination only. @throws DialFailure */
  async udp(to: Destination): Promise<UdpSocket> {
    const [address] = (await this.addresses(to)) as [string];
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    await new Promise<void>((done, failed) => {
      socket.once('error', (error) => {
        socket.close();
        failed(new DialFailure('unreachable', error.message));
      });
      socket.connect(to.port, address, done);
    });
    socket.removeAllListeners('error');
    return socket;
  }

  /** @throws DialFailure */
  private async addresses(to: Destination): Promise<string[]> {
    if (!this.policy.lists(to)) throw new DialFailure('not_listed', 'The state does not list it');
    const all = isIP(to.host) ? [to.host] : await this.resolve(to.host).catch(() => []);
    if (all.length === 0) throw new DialFailure('unresolved', 'Its name has no address');
    const good = all.filter((address) => this.policy.refusal(to, address) === undefined);
    if (good.length === 0) throw new DialFailure('not_allowed', 'Its address is not allowed');
    return good;
  }

  private async encrypted(socket: Socket, to: Destination, tls: TargetTls, signal: AbortSignal): Promise<TLSSocket> {
    const encrypted = tlsConnect({
      socket,
      host: tls.name,
      rejectUnauthorized: tls.mode === 'verify',
      ...(tls.mode === 'verify' ? { ca: authorities() } : {}),
      ...(isIP(tls.name) ? {} : { servername: tls.name }),
      ...(tls.protocol === undefined ? {} : { ALPNProtocols: [tls.protocol] }),
    });
    await connected(encrypted, 'secureConnect', signal, 'tls');
    if (tls.protocol === undefined || encrypted.alpnProtocol === tls.protocol) return encrypted;
    encrypted.destroy();
    throw new DialFailure('tls', `${to.host} does not speak ${tls.protocol}`);
  }
}

async function resolved(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function connected<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  otherwise: TunnelError = 'unreachable',
): Promise<S> {
  return new Promise((done, failed) => {
    const fail = (code: TunnelError, message: string) => {
      leave();
      socket.on('error', () => undefined);
      socket.destroy();
      failed(new DialFailure(code, message));
    };
    const onError = (error: NodeJS.ErrnoException) =>
      fail(error.code === 'ECONNREFUSED' ? 'refused' : otherwise, error.message);
    const onClose = () => fail(otherwise, 'The connection was closed');
    const onAbort = () => fail('unreachable', 'Nobody waits for it');
    const timer = setTimeout(() => fail('timeout', `No connection within ${CONNECT_MS / 1000} s`), CONNECT_MS);
    const leave = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose);
    };
    socket.on('error', onError).on('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once(event, () => {
      leave();
      done(socket);
    });
    if (signal.aborted) onAbort();
  });
}

/** Where systems keep the authorities that they trust; Node has its own list and does not look there. */
const SYSTEM = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];
let trusted: string[] | undefined;
/** Those of Node and of the system: the certificates of a private network are known to its machines. */
export function authorities(): string[] {
  const files = [process.env['SSL_CERT_FILE'] ?? '', process.env['NODE_EXTRA_CA_CERTS'] ?? '', ...SYSTEM];
  trusted ??= [
    ...rootCertificates,
    ...files.filter((file) => file !== '' && existsSync(file)).map((file) => readFileSync(file, 'utf8')),
  ];
  return trusted;
}

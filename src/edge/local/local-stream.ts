import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { NotDialed } from '#checks';
import { ConnectRefusal, type StreamTarget, type TargetStream } from '../dialing/target-stream.js';
import type { LocalDialer } from '../policy/local-dialer.js';

/** As agents have it. */
const CONNECT_MS = 5_000;

/** A stream to a target of a local site, which this process dials. */
export class LocalStream implements TargetStream {
  readonly duplex: Duplex;
  readonly opened: Promise<void>;
  endedInOrder = false;
  /** There is no way that could break. */
  readonly isLost = false;
  private socket: Socket | undefined;
  private given = false;
  private readonly over = new AbortController();

  constructor(
    dialer: LocalDialer,
    orgId: string,
    private readonly target: StreamTarget,
  ) {
    const stream = this;
    this.duplex = new Duplex({
      allowHalfOpen: true,
      read: () => void this.socket?.resume(),
      // What is written before there is a connection waits for it.
      write(chunk: Buffer, _encoding, done) {
        stream.opened.then(() => {
          const { socket } = stream;
          if (!socket?.writable || socket.write(chunk)) done();
          else socket.once('drain', done);
        }, done);
      },
      final(done) {
        stream.opened.then(() => {
          stream.socket!.end();
          done();
        }, done);
      },
      destroy: (error, done) => {
        this.over.abort(new Error('given up'));
        this.socket?.destroy();
        done(error);
      },
    });
    this.duplex.on('error', () => undefined);
    this.opened = this.connect(dialer, orgId);
    this.opened.catch(() => this.duplex.destroy());
  }

  get isOpen(): boolean {
    const { duplex } = this;
    return !this.given && !duplex.destroyed && !duplex.readableEnded && duplex.writable;
  }

  abort(): void {
    this.given = true;
    this.duplex.destroy();
  }

  private async connect(dialer: LocalDialer, orgId: string): Promise<void> {
    const { host, port, tls: secure } = this.target;
    const signal = AbortSignal.any([this.over.signal, AbortSignal.timeout(CONNECT_MS)]);
    let socket: Socket;
    try {
      socket = await dialer.tcp(orgId, { host, port }, signal);
    } catch (error) {
      throw new ConnectRefusal(this.over.signal.aborted ? 'gone' : codeOf(error));
    }
    if (secure) {
      const plain = socket;
      socket = await secured(plain, secure, host, signal).catch(() => {
        plain.destroy();
        throw new ConnectRefusal('tls');
      });
    }
    this.follow(socket);
  }

  private follow(socket: Socket): void {
    const { duplex } = this;
    if (duplex.destroyed) return void socket.destroy();
    this.socket = socket;
    socket.on('error', () => duplex.destroy());
    socket.on('data', (chunk) => {
      if (!duplex.push(chunk)) socket.pause();
    });
    socket.on('end', () => {
      this.endedInOrder = !this.given;
      duplex.push(null);
    });
    socket.on('close', (broken) => {
      if (broken || !socket.readableEnded) this.endedInOrder = false;
      // What came before the end is still read.
      if (!socket.readableEnded) duplex.destroy();
    });
  }
}

function secured(
  socket: Socket,
  { mode, name, protocol }: NonNullable<StreamTarget['tls']>,
  host: string,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((done, failed) => {
    const servername = name ?? (/^[\d.]+$|:/.test(host) ? '' : host);
    const secure = tls.connect({
      socket,
      servername,
      rejectUnauthorized: mode === 'verify',
      checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name ?? host, certificate),
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
    });
    const stop = () => secure.destroy(new Error('given up'));
    signal.addEventListener('abort', stop, { once: true });
    secure.once('secureConnect', () => {
      signal.removeEventListener('abort', stop);
      done(secure);
    });
    secure.on('error', failed);
  });
}

function codeOf(error: unknown): ConnectRefusal['code'] {
  if (error instanceof NotDialed) return 'not_allowed';
  if (!(error instanceof Error)) return 'unreachable';
  if (error.name === 'TimeoutError') return 'timeout';
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'refused';
  return code === undefined ? 'unresolved' : 'unreachable';
}

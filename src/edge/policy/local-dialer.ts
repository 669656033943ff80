import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { NotDialed, type Place } from '#checks';
import type { DialPolicy } from './dial-policy.js';

/** Dials what the server itself may dial for local sites: a name is resolved once, each address is judged, and what was judged is dialed. */
export class LocalDialer {
  constructor(
    private readonly policy: DialPolicy,
    private readonly resolve: (host: string) => Promise<string[]> = resolved,
  ) {}

  /** @returns a socket that is connected. @throws NotDialed; Error when there is no way; the signal's reason */
  async tcp(orgId: string, { host, port }: Place, signal: AbortSignal): Promise<Socket> {
    const good = await this.judged(orgId, host, port);
    let failure: unknown;
    for (const address of good) {
      signal.throwIfAborted();
      try {
        return await connected(connect({ host: address, port, noDelay: true }), signal);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  /** @returns a socket that takes datagrams of this place alone. @throws as `tcp` */
  async udp(orgId: string, { host, port }: Place): Promise<UdpSocket> {
    const [address] = await this.judged(orgId, host, port);
    const socket = createSocket(isIP(address!) === 6 ? 'udp6' : 'udp4');
    socket.on('error', () => undefined);
    await new Promise<void>((done) => socket.connect(port, address, done));
    return socket;
  }

  /** Those of its addresses that may be dialed. @throws NotDialed where none may; Error where there is none */
  private async judged(orgId: string, host: string, port: number): Promise<string[]> {
    const addresses = isIP(host) ? [host] : await this.resolve(host).catch(() => []);
    if (addresses.length === 0) throw new Error('its name has no address');
    const refusals = addresses.map((address) => this.policy.refusal(orgId, address, port));
    const good = addresses.filter((_, i) => refusals[i] === undefined);
    if (good.length === 0) throw new NotDialed(`${addresses[0]}:${port} ${refusals[0]}`);
    return good;
  }
}

const resolved = async (host: string) => (await lookup(host, { all: true })).map(({ address }) => address);

function connected(socket: Socket, signal: AbortSignal): Promise<Socket> {
  return new Promise((done, failed) => {
    const stop = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('given up'));
    const leave = () => signal.removeEventListener('abort', stop);
    socket.once('connect', () => {
      leave();
      done(socket);
    });
    socket.on('error', (error) => {
      leave();
      failed(error);
    });
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}

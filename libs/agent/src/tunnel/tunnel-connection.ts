import type { ServerHttp2Session } from 'node:http2';
import { TUNNEL } from '../../../contracts/index.js';
import type { Clock } from '../clock.js';
import type { Dialed } from './tunnel-dial.js';
import type { TunnelStreams } from './tunnel-streams.js';

/** One connection to a server process, from its 101 to its end. */
export class TunnelConnection {
  /** The process, as it calls itself. */
  readonly server: string;
  /** Resolves when it takes no more streams: it has ended, or one side is leaving. Those that are open may go on. */
  readonly over: Promise<void>;
  private readonly session: ServerHttp2Session;
  private isOver = () => {};

  /** @param signal ends it at once, with its streams */
  constructor(
    streams: TunnelStreams,
    { duplex, server, bytesRead }: Dialed,
    private readonly clock: Clock,
    signal: AbortSignal,
  ) {
    this.server = server;
    this.over = new Promise((resolve) => (this.isOver = resolve));
    const session = streams.serve(duplex);
    this.session = session;
    const closed = new AbortController();
    const end = () => session.destroy();
    signal.addEventListener('abort', end);
    // A server that stops says GOAWAY, and has its streams end.
    session.once('goaway', this.isOver);
    session.once('close', () => {
      signal.removeEventListener('abort', end);
      closed.abort(new Error('the connection is over'));
      this.isOver();
    });
    duplex.once('close', end);
    void this.ping(bytesRead, closed.signal);
  }

  /** Takes no more streams, tells the server so, and ends when those that are open have. */
  leave(): void {
    this.session.close();
    this.isOver();
  }

  /** One that has answered no two pings, nor sent anything, is given up. */
  private async ping(bytesRead: () => number, signal: AbortSignal): Promise<void> {
    for (let [unanswered, heard] = [0, 0]; ; unanswered++) {
      await this.clock.sleep(TUNNEL.pingSeconds * 1000, 'tunnel-ping', signal).catch(() => undefined);
      if (signal.aborted) return;
      if (bytesRead() !== heard) unanswered = 0;
      heard = bytesRead();
      if (unanswered >= TUNNEL.pingMisses) return this.session.destroy();
      this.session.ping(() => undefined);
    }
  }
}

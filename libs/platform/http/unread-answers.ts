import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Counter } from 'prom-client';
import { addressBucket } from '../addresses.js';
import type { Config } from '../config/config.js';
import { PeriodicTask } from '../runtime/periodic-task.js';

const TURN_MS = 1_000;
const MEGABYTE = 1024 * 1024;

const closed = new Counter({
  name: 'gatehouse_unread_closed_total',
  help: 'Connections closed because their answer was not read',
  labelNames: ['bound'],
});

export interface UnreadBounds {
  /** Turns in which an answer is to be read. */
  turns: number;
  /** Of all answers that wait to be read. */
  bytes: number;
}

/**
 * Answers that their clients do not read, or read so slowly that they stay in memory: a bundle is more than a megabyte, and costs a client that
 * asks for it and reads nothing a descriptor. One that is not read in time is given up; and when all of them hold too much, the oldest of the
 * address that holds most. Streams, which have no end, bound what waits in them themselves.
 */
export class UnreadAnswers {
  /** The answers that are being made (no turn) or read (since which turn). */
  private readonly answers = new Map<ServerResponse, number | undefined>();
  private turn = 0;

  constructor(private readonly bounds: UnreadBounds) {}

  /** Watches a server, HTTP or HTTPS, until it closes. */
  watch(server: Server): void {
    this.follow(server);
    const task = new PeriodicTask(UnreadAnswers.name, {
      failure: 'Unread answers could not be counted',
      everyMs: TURN_MS,
      run: () => this.sweep(),
    });
    task.wake(TURN_MS);
    server.once('close', () => void task.stop());
  }

  /** The same without a clock. */
  follow(server: Server): void {
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      this.answers.set(response, undefined);
      response.once('close', this.onClose);
    });
  }

  /** One turn: gives up what is beyond the bounds. */
  sweep(): void {
    this.turn++;
    const unread = new Map<string, { response: ServerResponse; bytes: number }[]>();
    let held = 0;
    // In the order of their requests, which is about that of their answers.
    for (const [response, since] of this.answers) {
      if (!response.writableEnded) continue;
      if (since === undefined) this.answers.set(response, this.turn);
      else if (this.turn - since >= this.bounds.turns) {
        this.close(response, 'time');
        continue;
      }
      const bytes = response.socket?.writableLength ?? 0;
      if (bytes === 0) continue;
      held += bytes;
      const source = addressBucket(response.socket?.remoteAddress ?? '');
      unread.set(source, [...(unread.get(source) ?? []), { response, bytes }]);
    }
    while (held > this.bounds.bytes) {
      const [most] = [...unread.values()].sort((a, b) => sum(b) - sum(a));
      const { response, bytes } = most!.shift()!;
      held -= bytes;
      this.close(response, 'bytes');
    }
  }

  private close(response: ServerResponse, bound: string): void {
    closed.inc({ bound });
    this.answers.delete(response);
    response.socket?.destroy();
  }

  /** Shared by all answers. */
  private readonly onClose = ((answers: Map<ServerResponse, unknown>) =>
    function (this: ServerResponse) {
      answers.delete(this);
    })(this.answers);
}

const sum = (answers: { bytes: number }[]) => answers.reduce((total, { bytes }) => total + bytes, 0);

/** Gives up answers that are not read, HTTP or HTTPS. */
export function boundUnread(server: Server, { http }: Config): void {
  new UnreadAnswers({ turns: http.unreadSeconds, bytes: http.unreadMegabytes * MEGABYTE }).watch(server);
}

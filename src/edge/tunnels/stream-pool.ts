import { Injectable } from '@nestjs/common';
import type { TunnelStream } from './tunnel-stream.js';

/** Idle streams to one target. */
const MAX_IDLE = 64;
/** Web servers keep idle connections for five seconds to two minutes, and end them themselves. */
const IDLE_MS = 60_000;

interface Idle {
  stream: TunnelStream;
  since: number;
  leave(): void;
}

/** Streams that carried an exchange to its end and wait for another one, by a key that says for whom they are good. */
@Injectable()
export class StreamPool {
  private readonly idle = new Map<string, Idle[]>();

  /** @returns the stream that was put back last, or undefined */
  take(key: string): TunnelStream | undefined {
    const streams = this.idle.get(key);
    for (let last = streams?.pop(); last; last = streams?.pop()) {
      last.leave();
      if (streams?.length === 0) this.idle.delete(key);
      if (last.stream.isOpen) return last.stream;
    }
    return undefined;
  }

  /** Keeps a stream on which nothing is left to be read. A byte that nobody asked for is the beginning of somebody else's answer: it ends the stream. */
  put(key: string, stream: TunnelStream, now = performance.now()): void {
    if (!stream.isOpen || stream.duplex.readableLength > 0) return stream.abort();
    const streams = this.idle.get(key) ?? [];
    this.idle.set(key, streams);
    const { duplex } = stream;
    const drop = () => {
      remove();
      stream.abort();
    };
    const leave = () => void duplex.off('data', drop).off('end', drop).off('close', remove);
    const remove = () => {
      leave();
      const at = streams.findIndex((one) => one.stream === stream);
      if (at >= 0) streams.splice(at, 1);
      if (streams.length === 0 && this.idle.get(key) === streams) this.idle.delete(key);
    };
    duplex.on('data', drop).on('end', drop).on('close', remove);
    // The listener has only set it flowing if it was never paused.
    duplex.resume();
    streams.push({ stream, since: now, leave });
    if (streams.length > MAX_IDLE) this.end(streams.shift()!);
  }

  /** Ends streams that nobody has taken for long. */
  sweep(now = performance.now()): void {
    for (const [key, streams] of this.idle) {
      while (streams[0] && now - streams[0].since >= IDLE_MS) this.end(streams.shift()!);
      if (streams.length === 0) this.idle.delete(key);
    }
  }

  /** Ends all. */
  clear(): void {
    for (const streams of this.idle.values()) for (const one of streams.splice(0)) this.end(one);
    this.idle.clear();
  }

  get size(): number {
    let size = 0;
    for (const streams of this.idle.values()) size += streams.length;
    return size;
  }

  private end({ stream, leave }: Idle): void {
    leave();
    stream.abort();
  }
}

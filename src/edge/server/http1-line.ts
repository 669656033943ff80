import { chunkOf, lastChunk, requestHead } from '../http/request-writer.js';
import { type Fields, ResponseError } from '../http/response-head.js';
import type { Line, LineUser, OutgoingRequest } from './line.js';
import type { LinkUser, TargetLink } from './target-link.js';

/** A request of HTTP/1.1, each character a byte. @throws UnwritableRequest */
export const http1Head = ({ method, target, fields }: OutgoingRequest): string => requestHead(method, target, fields);

/** One request and its answer over a stream that carries one at a time. */
export class Http1Line implements Line, LinkUser {
  readonly used: boolean;
  private heard = false;
  private user!: LineUser;

  /** @param keep takes a link that may carry another request */
  constructor(
    readonly link: TargetLink,
    private readonly request: OutgoingRequest,
    private readonly head: string,
    private readonly keep: (link: TargetLink) => void,
  ) {
    this.used = link.used;
  }

  get connecting(): Promise<void> | undefined {
    return this.used ? undefined : this.link.stream.opened;
  }

  get isLost(): boolean {
    return this.link.stream.isLost;
  }

  begin(user: LineUser): void {
    const { link, request } = this;
    this.user = user;
    link.use(this);
    link.parser.begin({ method: request.method, upgrade: request.websocketKey !== undefined }, user);
    link.stream.duplex.write(this.head, 'latin1');
  }

  write(part: Buffer): boolean {
    return this.link.stream.duplex.write(this.isChunked ? chunkOf(part) : part);
  }

  end(trailers: Fields): void {
    if (this.isChunked) this.link.stream.duplex.write(lastChunk(trailers));
  }

  pause(): void {
    this.link.stream.duplex.pause();
  }

  resume(): void {
    this.link.stream.duplex.resume();
  }

  release(): void {
    const { link } = this;
    if (!link.parser.reusable || !link.isOpen) return link.drop();
    link.release();
    this.keep(link);
  }

  drop(): void {
    this.link.drop();
  }

  received(chunk: Buffer): void {
    this.heard = true;
    try {
      this.link.parser.write(chunk);
    } catch (error) {
      if (!(error instanceof ResponseError)) throw error;
      this.broken();
    }
  }

  ended(): void {
    try {
      this.link.parser.finish();
    } catch {
      this.broken();
    }
  }

  broken(): void {
    this.user.broken(!this.heard);
  }

  drained(): void {
    this.user.drained();
  }

  private get isChunked(): boolean {
    return this.request.body?.length === 'chunked';
  }
}

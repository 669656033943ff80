import type { Placed } from '#platform';
import { ConnectRefusal } from '../dialing/target-stream.js';
import type { EdgeCode } from '../http/error-pages.js';
import { responseFields, trailerFields } from '../http/forwarded-fields.js';
import type { Fields } from '../http/response-head.js';
import type { ResponseHead } from '../http/response-parser.js';
import { acceptsWebsocket } from '../http/websocket-answer.js';
import type { Line, LineUser, OutgoingRequest } from './line.js';
import type { Reply } from './reply.js';

/** Without a byte in either direction. */
const IDLE_MS = 3_600_000;

/** What a resource adds to an exchange. */
export interface ExchangeTerms {
  /** From the end of the request to the head of its answer. */
  responseMs: number;
  /** Added to what the target answers. */
  answerFields: Fields;
}

/** How an exchange ended. */
export type ExchangeEnd =
  | { how: 'whole' }
  /** Nothing was told to the visitor yet. `refused`: the target has not seen the request; `silent`: it said nothing; `lost`: the way to its site broke. */
  | { how: 'failed'; code: EdgeCode; refused: boolean; silent: boolean; lost: boolean }
  /** What the visitor got is not whole, and was cut. */
  | { how: 'cut' }
  | { how: 'gone' }
  /** The link carries a websocket from now on; `rest` came behind the head. */
  | { how: 'upgraded'; head: ResponseHead; rest: Buffer };

/** What visitors are told of why there is no connection. */
const CODES: Partial<Record<ConnectRefusal['code'], EdgeCode>> = {
  timeout: 'timeout',
  refused: 'refused',
  gone: 'site_offline',
  not_here: 'site_offline',
};

/** One request on a line and its answer to the visitor, with the pace of the slower side in both directions. */
export class Exchange implements LineUser, Placed {
  place = -1;
  /** Of the answer; 0 until there is one. */
  status = 0;
  bodyBytesSent = 0;
  /** By `performance.now()`: when it is given up unless something happens. */
  deadline = Infinity;
  private requestEnded = false;
  private settled = false;
  private held: Buffer | undefined;
  private length: number | undefined;
  private readonly settle: (end: ExchangeEnd) => void;

  /** @param settled called once */
  constructor(
    private readonly line: Line,
    private readonly request: OutgoingRequest,
    private readonly terms: ExchangeTerms,
    private readonly reply: Reply,
    settled: (end: ExchangeEnd) => void,
  ) {
    this.settle = (end) => {
      if (this.settled) return;
      this.settled = true;
      this.stopReading();
      settled(end);
    };
  }

  /** Sends the request. A body waits until a new link is connected, so that another target can have it if it is not. */
  start(): void {
    const { line, reply } = this;
    reply.listen(
      () => line.resume(),
      () => this.finish({ how: 'gone' }),
    );
    line.begin(this);
    const { connecting } = line;
    if (!connecting) return this.connected();
    connecting.then(
      () => this.connected(),
      (error: unknown) => this.refused(error),
    );
  }

  /** Ends it: what let the visitor in is over. */
  stop(): void {
    if (this.reply.begun) this.finish({ how: 'cut' });
    else this.fail('unauthenticated', { silent: false });
  }

  /** Ends it when its time is over. */
  look(now: number): void {
    if (now < this.deadline) return;
    if (this.reply.begun) this.finish({ how: 'cut' });
    else this.fail('timeout', { silent: false });
  }

  broken(silent: boolean): void {
    if (this.reply.begun) this.finish({ how: 'cut' });
    else this.fail('bad_gateway', { silent, lost: this.line.isLost });
  }

  drained(): void {
    if (!this.requestEnded && this.request.body) this.request.body.stream.resume();
  }

  interim({ status, fields }: ResponseHead): void {
    this.reply.interim(status, responseFields(fields, status));
  }

  head({ status, reason, fields, length }: ResponseHead): void {
    this.status = status;
    this.length = length;
    this.deadline = performance.now() + IDLE_MS;
    const out = responseFields(fields, status);
    out.push(...this.terms.answerFields);
    this.reply.head(status, reason, out, length);
  }

  body(part: Buffer): void {
    this.deadline = performance.now() + IDLE_MS;
    // An answer that came whole is written with its end.
    if (part.length === this.length) this.held = part;
    else if (!this.reply.body(part)) this.line.pause();
  }

  end(trailers: Fields): void {
    if (this.held) this.reply.body(this.held);
    this.reply.end(trailers.length === 0 ? trailers : trailerFields(trailers));
    // A target that has answered before it had all might take what is still sent for another request.
    if (!this.requestEnded) return this.finish({ how: 'whole' });
    this.line.release();
    this.settle({ how: 'whole' });
  }

  upgraded(head: ResponseHead, rest: Buffer): void {
    if (!acceptsWebsocket(head.fields, this.request.websocketKey!)) return this.fail('bad_gateway', { silent: false });
    this.status = 101;
    this.settle({ how: 'upgraded', head, rest });
  }

  private connected(): void {
    if (this.settled) return;
    const { body } = this.request;
    if (!body || body.length === 0) return this.requestOver();
    this.deadline = performance.now() + IDLE_MS;
    const { stream } = body;
    stream.on('data', this.sendBody).on('end', this.sendEnd);
  }

  private readonly sendBody = (data: Buffer): void => {
    this.bodyBytesSent += data.length;
    this.deadline = performance.now() + IDLE_MS;
    if (!this.line.write(data)) this.request.body!.stream.pause();
  };

  private readonly sendEnd = (): void => {
    this.line.end(trailerFields(this.request.body!.trailers()));
    this.requestOver();
  };

  private requestOver(): void {
    this.requestEnded = true;
    if (!this.reply.begun) this.deadline = performance.now() + this.terms.responseMs;
  }

  private stopReading(): void {
    const stream = this.request.body?.stream;
    stream?.off('data', this.sendBody).off('end', this.sendEnd);
  }

  private refused(error: unknown): void {
    if (this.settled) return;
    const code = error instanceof ConnectRefusal ? error.code : 'gone';
    // Without an answer to the CONNECT the target may have had the request all the same.
    const lost = code === 'gone' || code === 'not_here';
    this.fail(CODES[code] ?? 'bad_gateway', { silent: true, refused: code !== 'gone', lost });
  }

  private fail(
    code: EdgeCode,
    { silent, refused = false, lost = false }: { silent: boolean; refused?: boolean; lost?: boolean },
  ): void {
    this.finish({ how: 'failed', code, refused, silent, lost });
  }

  private finish(end: ExchangeEnd): void {
    if (this.settled) return;
    this.line.drop();
    if (end.how === 'cut') this.reply.cut();
    this.settle(end);
  }
}

import type { EdgeCode } from '../http/error-pages.js';
import type { CheckedRequest } from '../http/request-checks.js';
import type { ResponseHead } from '../http/response-parser.js';
import type { RequestEntry } from '../logs/entries.js';
import type { Visitor } from '../policy/rules.js';
import type { RequestPath } from '../routing/path.js';
import type { Route } from '../routing/route-table.js';
import type { Reply, RequestBody } from './reply.js';
import type { TargetLink } from './target-link.js';

/** The other end of a connection. */
export interface Peer {
  /** Of the socket, or as a proxy said by the PROXY protocol. */
  address: string;
  /** Made for the first request from it. */
  visitor?: Visitor;
}

/** A request as it came, in either protocol. */
export interface EdgeCall {
  checked: CheckedRequest;
  /** HTTP/2: with the pseudo-fields. */
  rawHeaders: readonly string[];
  peer: Peer;
  scheme: 'http' | 'https';
  body: RequestBody | undefined;
  /** Of a websocket that is asked for. */
  websocketKey: string | undefined;
  reply: Reply;
  /** Answers with the head of the target's 101, and joins both sides until either ends, or `stop` is called. `over` is called then. */
  join?(
    head: ResponseHead,
    rest: Buffer,
    link: TargetLink,
    over: (bytes: { in: number; out: number }) => void,
  ): { stop(): void };
  /** Sends 100, where the body waits for one and is to be read here. */
  wantBody(): void;
}

/** A call, and what was found out about it. */
export interface KnownCall {
  call: EdgeCall;
  /** Also as a trusted proxy says. */
  scheme: 'http' | 'https';
  requestId: string;
  /** The visitor's, as far as proxies are believed. */
  client: string;
  trusted: boolean;
  /** As it was asked for, with a port that was named. */
  host: string;
  path: RequestPath;
  route: Route;
  /** Whether an answer of ours is a page. */
  page: boolean;
  /** When it came, by `performance.now()`. */
  came: number;
  decidedBy: RequestEntry['decidedBy'];
  user: RequestEntry['user'];
}

/** What became of a call. */
export interface CallEnd {
  status: number;
  /** Of an answer of ours. */
  code: EdgeCode | null;
  targetId: number | null;
  siteId: number | null;
  bytesIn: number;
  bytesOut: number;
}

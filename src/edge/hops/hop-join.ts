import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { TUNNEL_ERRORS, TUNNEL_FIELD, type TunnelError } from '#contracts';
import { ConnectRefusal } from '../dialing/target-stream.js';
import { MISDIRECTED, type TunnelStream } from '../tunnels/tunnel-stream.js';

const { NGHTTP2_CANCEL, NGHTTP2_CONNECT_ERROR, NGHTTP2_NO_ERROR } = http2.constants;

/**
 * Passes a stream of another server process on to a tunnel of this one, at the pace of the slower side in both directions. Each end is passed on as what
 * it is: a direction that ended, an exchange that was given up, a target that broke off (CONNECT_ERROR), a tunnel that was lost (CANCEL).
 */
export function joinHop(hop: ServerHttp2Stream, to: TunnelStream): void {
  const { duplex } = to;
  let targetEnded = false;
  let hopEnded = false;
  to.onLeaving = () => tellLeaving(hop);
  hop.on('data', (chunk: Buffer) => {
    if (!duplex.write(chunk)) hop.pause();
  });
  duplex.on('drain', () => hop.resume());
  hop.on('end', () => {
    // A stream that breaks looks like an end before it closes.
    if (hop.destroyed || hop.rstCode !== NGHTTP2_NO_ERROR) return;
    hopEnded = true;
    if (to.target.payload === 'tcp' || targetEnded) return void duplex.end();
    to.abort();
    hop.close(NGHTTP2_CANCEL);
  });
  hop.on('close', () => {
    if (!hopEnded || !targetEnded) to.abort();
  });
  to.opened.then(
    () => {
      if (hop.destroyed || hop.closed) return;
      // Without this a stream that is reset ends in order first: `close` ends it, and the reset may come a packet later.
      hop.respond({ ':status': 200 }, { waitForTrailers: true });
      hop.on('wantTrailers', () => {
        if (!hop.closed) hop.sendTrailers({});
      });
      duplex.on('data', (chunk: Buffer) => {
        if (!hop.write(chunk)) duplex.pause();
      });
      hop.on('drain', () => duplex.resume());
      duplex.on('end', () => {
        if (duplex.destroyed || duplex.rstCode !== NGHTTP2_NO_ERROR) return;
        targetEnded = true;
        hop.end();
      });
      duplex.on('close', () => {
        if (!hop.closed && !to.endedInOrder) hop.close(to.isLost ? NGHTTP2_CANCEL : NGHTTP2_CONNECT_ERROR);
      });
      if (duplex.destroyed) hop.close(NGHTTP2_CANCEL);
    },
    (error: unknown) => {
      const code = error instanceof ConnectRefusal ? error.code : 'gone';
      // The target may have had what was sent: this is no answer.
      if (code === 'gone') hop.close(NGHTTP2_CANCEL);
      else if (code === 'not_here') refuseMisdirected(hop);
      else refuse(hop, code);
    },
  );
}

/** The tunnel behind it takes no more exchanges: there is another way for the next one. The frame for that is ALTSVC (RFC 7838 §4), which says nothing but its stream. */
function tellLeaving(hop: ServerHttp2Stream): void {
  const { session } = hop;
  if (session && !session.destroyed && !hop.destroyed) (session as ServerHttp2Session).altsvc('clear', hop.id!);
}

/** Answers a CONNECT that was not connected. */
export function refuse(hop: ServerHttp2Stream, code: TunnelError): void {
  answer(hop, TUNNEL_ERRORS[code], { [TUNNEL_FIELD.error]: code });
}

/** There is no tunnel of the site here (any more), and nothing of what was asked went anywhere. */
export function refuseMisdirected(hop: ServerHttp2Stream): void {
  answer(hop, MISDIRECTED);
}

function answer(hop: ServerHttp2Stream, status: number, fields: Record<string, string> = {}): void {
  if (hop.destroyed || hop.closed || hop.headersSent) return;
  hop.resume();
  hop.respond({ ':status': status, ...fields }, { endStream: true });
}

import { request } from 'node:http';
import { Duplex } from 'node:stream';
import { type Fields, ResponseError } from '../../src/edge/http/response-head.js';
import { type ResponseHandler, ResponseParser } from '../../src/edge/http/response-parser.js';

/** For src/edge/http/response-parser.spec.ts: what was read of an answer, and two other readers to compare with. */

export function recorded() {
  const got = {
    parser: new ResponseParser(),
    interims: [] as number[],
    status: undefined as number | undefined,
    reason: '',
    length: undefined as number | undefined,
    fields: [] as Fields,
    body: '',
    trailers: [] as Fields,
    ended: false,
    reusable: false,
    upgraded: undefined as number | undefined,
    problem: undefined as string | undefined,
  };
  const handler: ResponseHandler = {
    interim: ({ status }) => got.interims.push(status),
    head: ({ status, reason, fields, length }) => Object.assign(got, { status, reason, fields, length }),
    body: (part) => {
      if (part.length === 0) throw new Error('an empty part');
      got.body += part.toString('latin1');
    },
    end: (trailers) => Object.assign(got, { trailers, ended: true }),
    upgraded: ({ status }, rest) => Object.assign(got, { upgraded: status, body: rest.toString('latin1') }),
  };
  return Object.assign(got, { handler });
}

/** Everything is written, and then the stream ends unless it may be kept. */
export function read(parts: string[], method = 'GET', upgrade = false) {
  const got = recorded();
  got.parser.begin({ method, upgrade }, got.handler);
  try {
    for (const part of parts) got.parser.write(Buffer.from(part, 'latin1'));
    if (!got.ended) got.parser.finish();
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    // What follows a complete answer is told by `reusable`.
    if (!got.ended) got.problem = error.problem;
  }
  got.reusable = got.parser.reusable;
  return got;
}

export const answer = ({ parser: _, handler: __, ended: ___, ...rest }: ReturnType<typeof read>) => rest;

/** One answer from the start of a whole text, by splitting and patterns; undefined where it is none. */
export function byOracle(text: string, method: string) {
  let rest = text;
  for (let interims = 0; ; interims++) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    rest = rest.slice(end + 4);
    const status = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\x00-\x08\x0a-\x1f\x7f]*)?$/.exec(first);
    const fields = lines.map((line) => /^([\w-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)$/.exec(line));
    if (!status || fields.includes(null)) return undefined;
    const values = (name: string) => fields.filter((f) => f![1]!.toLowerCase() === name).map((f) => f![2]!.trim());
    const [lengths, codings] = [values('content-length'), values('transfer-encoding')];
    const options = values('connection').join().toLowerCase().split(',');
    if (lengths.length + codings.length > 1) return undefined;
    if (Number(status[2]) < 200) {
      if (Number(status[2]) === 101 || interims === 8 || lengths.length + codings.length > 0) return undefined;
      continue;
    }
    const kept = !options.includes('close') && (status[1] === '1' || options.includes('keep-alive'));
    const read = (body: string, after: string | undefined) => ({
      status: Number(status[2]),
      body,
      reusable: kept && after === '',
    });
    const empty = method === 'HEAD' || status[2] === '204' || status[2] === '304';
    if (codings.length > 0 && (status[1] === '0' || status[2] === '204')) return undefined;
    if (status[2] === '204' && Number(lengths[0] ?? 0) > 0) return undefined;
    if (empty) return read('', rest);
    if (codings.length > 0) return readChunks(rest, read);
    if (lengths.length === 0) return read(rest, undefined);
    const length = Number(lengths[0]);
    return rest.length < length ? undefined : read(rest.slice(0, length), rest.slice(length));
  }
}

function readChunks<T>(text: string, read: (body: string, after: string) => T): T | undefined {
  let [body, rest] = ['', text];
  for (;;) {
    const line = /^([0-9A-Fa-f]{1,11})(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n/.exec(rest);
    if (!line) return undefined;
    const size = Number.parseInt(line[1]!, 16);
    rest = rest.slice(line[0].length);
    if (size === 0) {
      const trailers = /^(?:[\w-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*\r\n/.exec(rest);
      return trailers ? read(body, rest.slice(trailers[0].length)) : undefined;
    }
    if (rest.slice(size, size + 2) !== '\r\n') return undefined;
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}

/** What node's client reads of the text; undefined where it refuses it. */
export function byNode(text: string, method: string): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read() {}, write: (_part, _encoding, done) => done() });
    const sent = request({ method, createConnection: () => socket as never }, (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (part: string) => (body += part));
      response.on('end', () => resolve({ status: response.statusCode!, body }));
      response.on('error', () => resolve(undefined));
    });
    sent.on('error', () => resolve(undefined));
    sent.end();
    socket.push(Buffer.from(text, 'latin1'));
    socket.push(null);
  });
}

import { isLength, listOf, TOKEN, VALUE } from './field-syntax.js';

/** Names and values in turn, as they were sent: what node's `rawHeaders` are. */
export type Fields = string[];

export type ResponseProblem =
  | 'status_line'
  | 'field'
  | 'head_too_large'
  | 'framing'
  | 'chunk'
  | 'too_many_interim'
  | 'unasked_upgrade'
  | 'left_over'
  | 'cut_short';

/** A target answered what could be read in two ways, or not at all: 502 where nothing was passed on yet, else the connection ends. */
export class ResponseError extends Error {
  constructor(
    readonly problem: ResponseProblem,
    message: string,
  ) {
    super(message);
  }
}

const CR = 13;
const LF = 10;

export interface Framing {
  length: number | undefined;
  chunked: boolean;
  closes: boolean;
  keepAlive: boolean;
}

/** Of a line such as `HTTP/1.1 200 OK`; the reason and the space before it may be absent. */
export function readStatus(text: string, end: number): number {
  const version = text.charCodeAt(7);
  const status = text.charCodeAt(9) * 100 + text.charCodeAt(10) * 10 + text.charCodeAt(11) - 5328;
  let good =
    end >= 12 &&
    text.startsWith('HTTP/1.') &&
    (version === 48 || version === 49) &&
    text.charCodeAt(8) === 32 &&
    (end === 12 || text.charCodeAt(12) === 32);
  for (let i = 9; i < 12; i++) good &&= text.charCodeAt(i) >= 48 && text.charCodeAt(i) <= 57;
  for (let i = 13; i < end; i++) good &&= VALUE[text.charCodeAt(i)] === 1;
  if (!good || status < 100 || status > 599)
    throw new ResponseError('status_line', 'the answer does not begin with a status of HTTP/1.1');
  return status;
}

/** Reads fields, each with its CR LF, to the end of the text, in one pass. */
export function readFields(text: string, from: number, into: Fields): Framing {
  const framing: Framing = { length: undefined, chunked: false, closes: false, keepAlive: false };
  let at = from;
  while (at < text.length) {
    const start = at;
    let code = text.charCodeAt(at);
    while (TOKEN[code]) code = text.charCodeAt(++at);
    if (code !== 58 || at === start) throw new ResponseError('field', 'a line of the head is no field');
    const name = text.slice(start, at);
    do code = text.charCodeAt(++at);
    while (code === 32 || code === 9);
    const begin = at;
    let end = at;
    for (; VALUE[code]; code = text.charCodeAt(++at)) if (code !== 32 && code !== 9) end = at + 1;
    if (code !== CR || text.charCodeAt(at + 1) !== LF)
      throw new ResponseError('field', 'a field holds what none may hold');
    at += 2;
    const value = text.slice(begin, end);
    into.push(name, value);
    const { length } = name;
    if (length === 10 || length === 14 || length === 17) readFraming(framing, name.toLowerCase(), value);
  }
  return framing;
}

function readFraming(framing: Framing, name: string, value: string): void {
  switch (name) {
    case 'connection':
      for (const option of listOf(value)) {
        if (option === 'close') framing.closes = true;
        else if (option === 'keep-alive') framing.keepAlive = true;
      }
      return;
    case 'content-length':
      if (framing.length !== undefined || !isLength(value))
        throw new ResponseError('framing', 'the answer has no length, or more than one');
      framing.length = Number(value);
      break;
    case 'transfer-encoding':
      if (framing.chunked || value.toLowerCase() !== 'chunked')
        throw new ResponseError('framing', 'the answer has a transfer coding that nobody asked for');
      framing.chunked = true;
      break;
    default:
      return;
  }
  if (framing.chunked && framing.length !== undefined)
    throw new ResponseError('framing', 'the answer has both a length and a transfer coding');
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answer, byNode, byOracle, read, recorded } from '../../../test/support/target-answers.js';
import { ResponseParser } from './response-parser.js';

const ok = 'HTTP/1.1 200 OK\r\n';
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
const lines = (count: number) => 'X: y\r\n'.repeat(count);

/** Each is tried whole, byte by byte, and split at every place. */
const GOOD: [what: string, text: string, result: Partial<ReturnType<typeof answer>>, method?: string][] = [
  ['a length', `${ok}Content-Length: 5\r\n\r\nhello`, { status: 200, body: 'hello', reusable: true }],
  ['no content', `${ok}content-length: 0\r\n\r\n`, { body: '', reusable: true, length: 0 }],
  ['chunks', `${chunked}5\r\nhello\r\n1;a=b;c="d"\r\n!\r\n0\r\n\r\n`, { body: 'hello!', reusable: true }],
  [
    'sizes in either case, zeros before',
    `${chunked}0A\r\n0123456789\r\n00b\r\n0123456789a\r\n000\r\n\r\n`,
    { body: '01234567890123456789a' },
  ],
  [
    'trailers',
    `${chunked}1\r\na\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n`,
    { body: 'a', trailers: ['X-Sum', '1', 'Y', ''], reusable: true },
  ],
  [
    'a body until the end',
    `${ok}\r\nall of\r\n\r\nthis`,
    { body: 'all of\r\n\r\nthis', reusable: false, length: undefined },
  ],
  ['nothing until the end', `${ok}\r\n`, { body: '', reusable: false }],
  ['HEAD', `${ok}Content-Length: 5\r\n\r\n`, { body: '', reusable: true, length: 0 }, 'HEAD'],
  ['HEAD with a coding', chunked, { body: '', reusable: true }, 'HEAD'],
  ['204', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, reusable: true }],
  ['204 with a length of 0', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', { status: 204, reusable: true }],
  ['304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', { status: 304, body: '', reusable: true }],
  ['Connection: close', `${ok}Content-Length: 1\r\nConnection: x, Close\r\n\r\na`, { body: 'a', reusable: false }],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na', { body: 'a', reusable: false }],
  [
    'HTTP/1.0 that stays',
    'HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na',
    { reusable: true },
  ],
  ['no reason', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', { status: 200, reason: '' }],
  ['an empty reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', { status: 200, reason: '' }],
  [
    'values',
    `${ok}A:\t b c \t\r\nB: \xe9\r\nC:\r\nContent-Length: 0\r\n\r\n`,
    { fields: ['A', 'b c', 'B', '\xe9', 'C', '', 'Content-Length', '0'] },
  ],
  [
    'interim answers',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${ok}Content-Length: 0\r\n\r\n`,
    { status: 200, interims: [100, 103], reusable: true },
  ],
  [
    'eight interim answers',
    `${'HTTP/1.1 102 x\r\n\r\n'.repeat(8)}${ok}Content-Length: 0\r\n\r\n`,
    { status: 200, reusable: true },
  ],
  ['a head of 32 KB', `${ok}X: ${'y'.repeat(32_768 - 17 - 5 - 19 - 2)}\r\nContent-Length: 0\r\n\r\n`, { status: 200 }],
  ['more after the end', `${ok}Content-Length: 1\r\n\r\nab`, { body: 'a', reusable: false }],
  ['a second answer', `${ok}Content-Length: 0\r\n\r\n${ok}Content-Length: 0\r\n\r\n`, { body: '', reusable: false }],
  ['more after the last chunk', `${chunked}0\r\n\r\n\r\n`, { body: '', reusable: false }],
  ['a body after HEAD', `${ok}Content-Length: 1\r\n\r\na`, { body: '', reusable: false }, 'HEAD'],
];

/** What a hostile or broken target may send: each is refused, at any split. */
const BAD: [what: string, text: string, problem: string, method?: string][] = [
  ['both lengths', `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'framing'],
  ['both lengths, the other way', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`, 'framing'],
  ['both lengths, to HEAD', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`, 'framing', 'HEAD'],
  ['unequal lengths', `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, 'framing'],
  ['equal lengths', `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, 'framing'],
  ['a list of lengths', `${ok}Content-Length: 5, 5\r\n\r\nhello`, 'framing'],
  ...['+5', '-5', '0x5', '5 5', '', '5.0', '1e1', '٥', '9999999999999999'].map((length): [string, string, string] => [
    `the length ${length}`,
    `${ok}Content-Length: ${length}\r\n\r\nhello`,
    'framing',
  ]),
  ...['gzip, chunked', 'chunked, chunked', 'identity', 'xchunked', 'chunked;q=1', '', '"chunked"'].map(
    (coding): [string, string, string] => [
      `the coding ${coding}`,
      `${ok}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`,
      'framing',
    ],
  ),
  ['two codings', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'framing'],
  ['chunks of HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'framing'],
  ['chunks of 204', 'HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'framing'],
  ['a length of 204', 'HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\na', 'framing'],
  ['a length of 100', `HTTP/1.1 100 x\r\nContent-Length: 0\r\n\r\n${ok}\r\n`, 'framing'],
  ['a folded value', `${ok}X: a\r\n b\r\n\r\n`, 'field'],
  ['a folded first field', `${ok} X: a\r\n\r\n`, 'field'],
  ['a tab before a field', `${ok}\tContent-Length: 0\r\n\r\n`, 'field'],
  ['a space before the colon', `${ok}Content-Length : 0\r\n\r\n`, 'field'],
  ['a coding with a space before the colon', `${ok}Transfer-Encoding : chunked\r\nContent-Length: 1\r\n\r\na`, 'field'],
  ['no colon', `${ok}Content-Length 0\r\n\r\n`, 'field'],
  ['no name', `${ok}: 0\r\n\r\n`, 'field'],
  ['a name that is no token', `${ok}X(: 0\r\n\r\n`, 'field'],
  ['a name beyond ASCII', `${ok}Content\xadLength: 0\r\n\r\n`, 'field'],
  ['NUL in a value', `${ok}X: a\0b\r\n\r\n`, 'field'],
  ['a control character in a value', `${ok}X: a\x0bb\r\n\r\n`, 'field'],
  ['LF alone', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'line'],
  ['LF alone after a field', `${ok}X: a\nContent-Length: 0\r\n\r\n`, 'field'],
  ['LF alone at the end', `${ok}Content-Length: 0\r\n\n`, 'field'],
  ['CR alone', `${ok}X: a\rContent-Length: 5\r\n\r\n`, 'field'],
  ['two CR', `${ok}X: a\r\r\nContent-Length: 5\r\n\r\n`, 'field'],
  ['an empty line first', `\r\n${ok}\r\n`, 'line'],
  ['HTTP/2', 'HTTP/2.0 200 OK\r\n\r\n', 'status_line'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n', 'status_line'],
  ['HTTP/0.9', '<html>hello</html>\r\n\r\n', 'status_line'],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'status_line'],
  ['lower case', 'http/1.1 200 OK\r\n\r\n', 'status_line'],
  ...['20', '2000', '099', '600', '20x', '+20', ' 200', '2 0'].map((status): [string, string, string] => [
    `the status ${status}`,
    `HTTP/1.1 ${status} OK\r\n\r\n`,
    'status_line',
  ]),
  ['two spaces', 'HTTP/1.1  200 OK\r\n\r\n', 'status_line'],
  ['a tab', 'HTTP/1.1\t200 OK\r\n\r\n', 'status_line'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n', 'status_line'],
  ...['', 'g', '-1', '+1', ' 1', '1 ', '0x1', '1\t', '1,', '100000000000'].map((size): [string, string, string] => [
    `the size ${JSON.stringify(size)}`,
    `${chunked}${size}\r\na\r\n0\r\n\r\n`,
    'chunk',
  ]),
  ['a size that ends by LF', `${chunked}1\na\r\n0\r\n\r\n`, 'chunk'],
  ['a size that ends by CR', `${chunked}1\ra\r\n0\r\n\r\n`, 'chunk'],
  ['LF in an extension', `${chunked}1;a\nb\r\na\r\n0\r\n\r\n`, 'chunk'],
  ['NUL in an extension', `${chunked}1;\0\r\na\r\n0\r\n\r\n`, 'chunk'],
  ['a chunk that is longer than its size', `${chunked}1\r\nab\r\n0\r\n\r\n`, 'chunk'],
  ['a chunk that ends by LF', `${chunked}1\r\na\n0\r\n\r\n`, 'chunk'],
  ['a folded trailer', `${chunked}0\r\nX: a\r\n b\r\n\r\n`, 'field'],
  ['a trailer without colon', `${chunked}0\r\nX\r\n\r\n`, 'field'],
  ['LF alone in trailers', `${chunked}0\r\nX: a\n\r\n\r\n`, 'field'],
  ['LF alone for trailers', `${chunked}0\r\n\n`, 'field'],
  ['nine interim answers', `${'HTTP/1.1 102 x\r\n\r\n'.repeat(9)}${ok}\r\n`, 'too_many_interim'],
  ['101 unasked', 'HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n', 'unasked_upgrade'],
  ['a head cut short', `${ok}Content-Length: 0\r\n`, 'cut_short'],
  ['nothing', '', 'cut_short'],
  ['an interim answer and no other', 'HTTP/1.1 100 x\r\n\r\n', 'cut_short'],
  ['a body cut short', `${ok}Content-Length: 5\r\n\r\nhell`, 'cut_short'],
  ['a chunk cut short', `${chunked}5\r\nhell`, 'cut_short'],
  ['no last chunk', `${chunked}5\r\nhello\r\n`, 'cut_short'],
  ['trailers cut short', `${chunked}0\r\nX: y\r\n`, 'cut_short'],
];

/** Each split in two, and all bytes alone. Long texts are split around their ends only. */
function* splits(text: string): Generator<string[]> {
  yield [text];
  if (text.length < 2000) yield [...text];
  for (let i = 1; i < text.length; i += text.length < 2000 || i > text.length - 50 ? 1 : 997)
    yield [text.slice(0, i), text.slice(i)];
}

describe('answers of targets', () => {
  it.each(GOOD)('%s', (_what, text, result, method = 'GET') => {
    for (const parts of splits(text)) {
      const got = answer(read(parts, method));
      expect(got).toMatchObject(result);
      expect(got.problem).toBeUndefined();
    }
  });

  it.each(BAD)('refuses %s', (_what, text, problem, method = 'GET') => {
    for (const parts of splits(text)) {
      const got = read(parts, method);
      // What is seen first depends on where the end of the head is searched: not that it is refused.
      if (problem === 'line') expect(['status_line', 'field']).toContain(got.problem);
      else expect(got.problem).toBe(problem);
      expect(got.ended).toBe(false);
      expect(got.reusable).toBe(false);
    }
  });

  it.each([
    ['fields', `${ok}${lines(5461)}Content-Length: 0\r\n\r\n`],
    ['one field', `${ok}X: ${'y'.repeat(40_000)}\r\n\r\n`],
    ['a reason', `HTTP/1.1 200 ${'y'.repeat(40_000)}\r\n\r\n`],
    ['trailers', `${chunked}0\r\n${lines(6000)}\r\n`],
    ['what has no end', `${ok}${'X: y\r\n'.repeat(6000)}`],
  ])('refuses more than 32 KB of %s', (_what, text) => {
    for (const size of [text.length, 16_384, 1000, 1]) {
      const parts = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      expect(read(parts).problem).toBe('head_too_large');
    }
  });

  it('bounds the extensions of chunks', () => {
    expect(read([`${chunked}1;${'x'.repeat(16_000)}\r\na\r\n0\r\n\r\n`]).problem).toBeUndefined();
    expect(read([chunked, `1;${'x'.repeat(5000)}\r\na\r\n`.repeat(4)]).problem).toBe('chunk');
  });

  it('tells a sender of other line ends before 32 KB have come', () => {
    const got = recorded();
    got.parser.begin({ method: 'GET', upgrade: false }, got.handler);
    expect(() => got.parser.write(Buffer.from('HTTP/1.1 200 OK\n'))).toThrow(/CR LF/);
  });

  it('passes on a 101 that was asked for, with what came after it', () => {
    const text = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n';
    for (const parts of splits(text)) {
      const got = read(parts, 'GET', true);
      expect(got).toMatchObject({ problem: undefined, upgraded: 101, reusable: false });
    }
    expect(read([`${text}frames`], 'GET', true)).toMatchObject({ upgraded: 101, body: 'frames' });
  });

  it('reads one answer after the other on a stream', () => {
    const got = recorded();
    for (const text of [
      `${ok}Content-Length: 2\r\n\r\nab`,
      `${chunked}1\r\nc\r\n0\r\n\r\n`,
      'HTTP/1.1 304 x\r\n\r\n',
    ]) {
      expect(got.parser.reusable).toBe(true);
      got.parser.begin({ method: 'GET', upgrade: false }, got.handler);
      expect(got.parser.reusable).toBe(false);
      for (const byte of text) got.parser.write(Buffer.from(byte));
    }
    expect(got.body).toBe('abc');
    expect(() => got.parser.write(Buffer.from('H'))).toThrow(/no request/);
    expect(got.parser.reusable).toBe(false);
    expect(() => got.parser.begin({ method: 'GET', upgrade: false }, got.handler)).toThrow();
  });

  it('takes the next request from within the end of the last answer', () => {
    const got = recorded();
    const parser = new ResponseParser();
    const next = { ...got.handler };
    parser.begin(
      { method: 'GET', upgrade: false },
      { ...got.handler, end: () => parser.begin({ method: 'HEAD', upgrade: false }, next) },
    );
    parser.write(Buffer.from(`${ok}Content-Length: 1\r\n\r\na`));
    parser.write(Buffer.from(`${ok}Content-Length: 7\r\n\r\n`));
    expect(got).toMatchObject({ body: 'a', ended: true });
    expect(parser.reusable).toBe(true);
  });

  it('is not kept when the target ends the stream', () => {
    const got = recorded();
    got.parser.begin({ method: 'GET', upgrade: false }, got.handler);
    got.parser.write(Buffer.from(`${ok}Content-Length: 0\r\n\r\n`));
    got.parser.finish();
    expect(got.parser.reusable).toBe(false);
  });
});

/** Texts that are nearly answers: pieces of good and bad ones, in any order. */
const pieces = fc.constantFrom(
  ok,
  'HTTP/1.0 200 OK\r\n',
  'HTTP/1.1 204 x\r\n',
  'HTTP/1.1 304 x\r\n',
  'HTTP/1.1 100 x\r\n\r\n',
  'Content-Length: 3\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'X: a\r\n',
  '\r\n',
  '\n',
  '\r',
  ' ',
  'abc',
  '3\r\nabc\r\n',
  '0\r\n\r\n',
  '0\r\n',
  '1;x\r\na\r\n',
  'X : y\r\n',
  '\0',
  ':',
  ';',
  'f',
);
const begun = fc.tuple(
  fc.constantFrom(ok, ok, ok, 'HTTP/1.0 200 OK\r\n', 'HTTP/1.1 204 x\r\n', 'HTTP/1.1 100 x\r\n\r\n', ''),
  fc.constantFrom('Content-Length: 3\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\n', '\r\n', ''),
  fc.array(pieces, { maxLength: 8 }),
);
const nearly = begun.map(([status, framing, rest]) => status + framing + rest.join(''));
const methods = fc.constantFrom('GET', 'GET', 'HEAD');

describe('whatever a target sends', () => {
  it('is read as a slow and simple reader reads it, at any split', () => {
    fc.assert(
      fc.property(nearly, methods, fc.array(fc.nat(40), { maxLength: 6 }), (text, method, sizes) => {
        const parts: string[] = [];
        let rest = text;
        for (const size of sizes) {
          parts.push(rest.slice(0, size));
          rest = rest.slice(size);
        }
        const got = read([...parts, rest], method);
        const want = byOracle(text, method);
        if (want === undefined) expect([got.ended, got.problem]).toEqual([false, expect.any(String)]);
        else expect(answer(got)).toMatchObject(want);
      }),
      { numRuns: 5000 },
    );
  });

  it('is read as node reads it, or refused', async () => {
    let agreed = 0;
    await fc.assert(
      fc.asyncProperty(nearly, methods, async (text, method) => {
        const got = read([text], method);
        if (!got.ended) return;
        const node = await byNode(text, method);
        // An answer with something behind it is a failure to node, and a stream that is not kept to us.
        if (node === undefined) expect(got.reusable).toBe(false);
        else expect(node).toEqual({ status: got.status, body: got.body });
        agreed++;
      }),
      { numRuns: 1000 },
    );
    expect(agreed).toBeGreaterThan(100);
  });
});

import { describe, expect, it } from 'vitest';
import { wholeAnswer } from './response-writer.js';

const BODY = Buffer.from('ok\xff', 'latin1');
const answer = (fields: string[], reason = 'Fine') =>
  wholeAnswer({ status: 200, reason, fields }, BODY, 75)?.toString('latin1');

describe('an answer in one piece', () => {
  it('holds what it was given, and that the connection stays', () => {
    expect(answer(['X-A', 'é', 'date', 'Mon, 30 Nov 2026 12:00:00 GMT', 'Content-Length', '3'])).toBe(
      'HTTP/1.1 200 Fine\r\nX-A: é\r\ndate: Mon, 30 Nov 2026 12:00:00 GMT\r\nContent-Length: 3\r\n' +
        'Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\nok\xff',
    );
  });

  it('is dated and has a reason, where the target gave none', () => {
    expect(answer([], '')).toMatch(/^HTTP\/1\.1 200 OK\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nConnection/);
  });

  it.each([
    ['that ends the connection', 'connection', 'close'],
    ['with a name that is none', 'X A', '1'],
    ['with a value that ends a line', 'X-A', '1\r\nX-B: 2'],
    ['with a value beyond ISO 8859-1', 'X-A', '\u0100'],
  ])('is not written %s', (_, name, value) => {
    expect(answer([name, value])).toBeUndefined();
  });
});

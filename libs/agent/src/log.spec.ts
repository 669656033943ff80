import { expect, it } from 'vitest';
import { Log } from './log.js';

it('masks what it was told to hide and whatever is shaped like a key or token', () => {
  const lines: string[] = [];
  const log = new Log((line) => lines.push(line), 'DEBUG');
  log.hide('abcdefgh');
  log.info('secret abcdefgh, key spk_abc123DEF456.Zz-_9, spk-x1.y2, Bearer eyJ.a.b, /ws?token=eyJ.c');
  expect(lines[0]).toMatch(/secret \*\*\*, key spk_\*\*\*, spk_\*\*\*, Bearer \*\*\*, \/ws\?token= \*\*\*$/m);
});

it('keeps quiet below its level', () => {
  const lines: string[] = [];
  const log = new Log(
    (line) => lines.push(line),
    'WARN',
    () => 0,
  );
  log.info('no');
  log.warn('yes');
  expect(lines).toEqual(['1970-01-01T00:00:00.000Z WARN  yes\n']);
});

it('lets a message begin no line of its own, and control no terminal', () => {
  const lines: string[] = [];
  const log = new Log(
    (line) => lines.push(line),
    'INFO',
    () => 0,
  );
  log.warn('refused\r\n1970-01-01T00:00:00.000Z INFO  approved\u001b[2J\u009b');
  expect(lines).toEqual([
    '1970-01-01T00:00:00.000Z WARN  refused\\x0d\n  1970-01-01T00:00:00.000Z INFO  approved\\x1b[2J\\x9b\n',
  ]);
});

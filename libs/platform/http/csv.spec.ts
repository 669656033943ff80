import { expect, it } from 'vitest';
import { cellOf } from './csv.js';

it.each([
  ['=1+1', "'=1+1"],
  ['+49 30', "'+49 30"],
  ['-lab', "'-lab"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['\r=1', `"'\r=1"`],
  ['\n=1', `"'\n=1"`],
  ['＝1', "'＝1"],
  ['=HYPERLINK("http://a","b")', `"'=HYPERLINK(""http://a"",""b"")"`],
])('text that begins like a formula is text to a spreadsheet: %j', (text, cell) => expect(cellOf(text)).toBe(cell));

it.each([
  ['plain', 'plain'],
  ['a=b', 'a=b'],
  ['a,b', '"a,b"'],
  ['say "no"', '"say ""no"""'],
  ['two\nlines', '"two\nlines"'],
  ['工作站', '工作站'],
  ['', ''],
  [null, ''],
  [undefined, ''],
  [-5, '-5'],
  [false, 'false'],
  [new Date('2027-01-31T12:00:00Z'), '2027-01-31T12:00:00.000Z'],
  [{ site: 'a, b' }, '"{""site"":""a, b""}"'],
  [[1, 2], '"[1,2]"'],
])('a cell is what was in it: %j', (value, cell) => expect(cellOf(value)).toBe(cell));

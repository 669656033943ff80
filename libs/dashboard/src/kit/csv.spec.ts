import { expect, it } from 'vitest';
import { csvOf } from './csv';

it('quotes what would end a cell, and lets no spreadsheet run one', () => {
  expect(
    csvOf(
      ['id', 'why'],
      [
        ['a,b', 'said "no"'],
        ['=1+1', null],
        ['-x', 3],
      ],
    ),
  ).toBe(`id,why\r\n"a,b","said ""no"""\r\n'=1+1,\r\n'-x,3\r\n`);
});

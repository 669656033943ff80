import { expect, it } from 'vitest';
import { fillTemplate } from './template.js';

it.each([
  ['{{env.SERIAL}}-edge', 'A1-edge'],
  ['{{ env.SERIAL }}', 'A1'],
  ['{{env.NONE | default "x y"}}', 'x y'],
  ['{{env.NONE | default ""}}', ''],
  ['{{env.SERIAL | default "x"}}', 'A1'],
  ['{{other}} stays', '{{other}} stays'],
  ['plain', 'plain'],
])('%j becomes %j', (text, filled) => {
  expect(fillTemplate(text, { SERIAL: 'A1' })).toBe(filled);
});

it('names a variable that is not set, or set to nothing', () => {
  expect(() => fillTemplate('{{env.SERIAL}}', {})).toThrow(/SERIAL/);
  expect(() => fillTemplate('{{env.SERIAL}}', { SERIAL: '' })).toThrow(expect.objectContaining({ code: 78 }));
});

it('does not fill in again what a value contains', () => {
  expect(fillTemplate('{{env.A}}', { A: '{{env.B}}', B: 'b' })).toBe('{{env.B}}');
});

it('refuses what looks like a variable and is not understood', () => {
  expect(() => fillTemplate('{{env.A | upper}}', { A: 'a' })).toThrow(/not understood/);
});

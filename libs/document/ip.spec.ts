import { isIP, isIPv4 as nodes } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isAddress, isIPv4 } from './ip.js';

const agree = (text: string): void => {
  expect([text, isIPv4(text)]).toEqual([text, nodes(text)]);
  expect([text, isAddress(text)]).toEqual([text, isIP(text) !== 0 && !text.includes('%')]);
};

it('tells addresses as Node does', () => {
  const edges = [
    '',
    '::',
    '::1',
    '1::',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7::',
    '::2:3:4:5:6:7:8',
    '::ffff:1.2.3.4',
    '1:2:3:4:5:6:1.2.3.4',
  ];
  const wrong = [
    '1.2.3',
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '12345::',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3',
    '1.2.3.4\n',
    'g::',
  ];
  for (const text of [...edges, ...wrong]) agree(text);
});

it('and whatever looks like one', () => {
  const part = fc.oneof(
    fc.constantFrom('', ':', '::', '.', '0', '00', '255', '256', 'ffff', '12345', '1.2.3.4', '%1'),
    fc.nat(300).map(String),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.constantFrom('', ':', '.'), (parts, join) =>
      agree(parts.join(join)),
    ),
  );
  fc.assert(fc.property(fc.ipV4(), agree));
  fc.assert(fc.property(fc.ipV6(), agree));
});

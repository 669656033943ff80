import { describe, expect, it } from 'vitest';
import { type RuleMatch, readRuleValue } from './rule-values.js';

/** A text alone is its own normal form. */
const GOOD: [RuleMatch, (string | [given: string, normal: string])[]][] = [
  [
    'CIDR',
    [
      '10.0.0.0/8',
      '0.0.0.0/0',
      '192.168.1.1/32',
      '2001:db8::/32',
      '::/0',
      ['10.0.0.0/08', '10.0.0.0/8'],
      ['::/000', '::/0'],
    ],
  ],
  ['IP', ['10.0.0.1', '2001:db8::1', '::1']],
  ['PATH', ['/', '/admin', '/admin/', 'admin/*', '/a/*/b', '/%20x', "/a~b!c$&'()+,;=:@", '/#']],
  ['COUNTRY', ['DE', ['us', 'US'], ['nL', 'NL'], 'ALL', ['all', 'ALL'], 'SS', 'AX', ['xk', 'XK']]],
  [
    'ASN',
    [
      'AS13335',
      ['as1', 'AS1'],
      ['13335', 'AS13335'],
      ['AS0013', 'AS13'],
      'AS4294967294',
      'ALL',
      ['all', 'ALL'],
      'AS64500',
    ],
  ],
  ['REGION', ['002', '150', '061']],
];
const BAD: [RuleMatch, string[]][] = [
  [
    'CIDR',
    [
      '10.0.0.0',
      '10.0.0.0/33',
      '10.0.0/8',
      '::/129',
      '10.0.0.0/8/8',
      '10.0.0.0/',
      'fe80::1%eth0/64',
      '/8',
      '10.0.0.0/0008',
      '10.0.0.0/033',
    ],
  ],
  ['IP', ['10.0.0', '10.0.0.0/8', 'example.com', 'fe80::1%eth0', ' 10.0.0.1']],
  ['PATH', ['', '//', '/a//b', '/a b', '/%2', '/a?b', '/ü']],
  // Codes that are none, no longer one (SU, YU), of another list (UK, EU), or three letters long.
  ['COUNTRY', ['D', 'DEU', '12', '', 'XX', 'ZZ', 'QQ', 'UK', 'EU', 'SU', 'YU', 'D\u0130', ' DE']],
  [
    'ASN',
    [
      'AS',
      'ASx',
      'AS12345678901',
      'AS4294967296',
      'AS4294967295',
      'AS0',
      '0',
      'AS23456',
      'AS65535',
      '-1',
      '1.5',
      'AS 1',
      '0x1',
    ],
  ],
  ['REGION', ['2', '999', 'Europe', '', '001', 'ALL']],
];

describe('values of rules', () => {
  it.each(
    GOOD.flatMap(([match, values]) =>
      values.map((one) => (typeof one === 'string' ? ([match, one, one] as const) : ([match, ...one] as const))),
    ),
  )('%s %s is %s', (match, value, normal) => expect(readRuleValue(match, value)).toEqual({ value: normal }));
  it.each(BAD.flatMap(([match, values]) => values.map((value) => [match, value] as const)))(
    'not %s "%s"',
    (match, value) =>
      expect(readRuleValue(match, value)).toEqual({ problem: expect.stringMatching(/^must be /) as unknown }),
  );
});

import { describe, expect, it } from 'vitest';
import { type Match, ruleValueProblem } from './rule-values.js';

const GOOD: [Match, string[]][] = [
  ['CIDR', ['10.0.0.0/8', '0.0.0.0/0', '192.168.1.1/32', '2001:db8::/32', '::/0', '10.0.0.0/08', '::/000']],
  ['IP', ['10.0.0.1', '2001:db8::1', '::1']],
  ['PATH', ['/', '/admin', '/admin/', 'admin/*', '/a/*/b', '/%20x', "/a~b!c$&'()+,;=:@", '/#']],
  ['COUNTRY', ['DE', 'us', 'ALL']],
  ['ASN', ['AS13335', 'as1', 'ALL']],
  ['REGION', ['002', '150', '061']],
];
const BAD: [Match, string[]][] = [
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
  ['COUNTRY', ['D', 'DEU', '12', '']],
  ['ASN', ['13335', 'AS', 'ASx', 'AS12345678901']],
  ['REGION', ['2', '999', 'Europe', '']],
];

describe('values of rules', () => {
  it.each(GOOD.flatMap(([match, values]) => values.map((value) => [match, value] as const)))(
    '%s %s',
    (match, value) => {
      expect(ruleValueProblem(match, value)).toBeUndefined();
    },
  );
  it.each(BAD.flatMap(([match, values]) => values.map((value) => [match, value] as const)))(
    'not %s "%s"',
    (match, value) => {
      expect(ruleValueProblem(match, value)).toMatch(/^must be /);
    },
  );
});

import { CountryCodes } from 'validator/lib/isISO31661Alpha2.js';
import { describe, expect, it } from 'vitest';
import { parsePath } from '../routing/path.js';
import type { Geo } from './geo.js';
import { regionsOf } from './regions.js';
import { type RuleAction, RuleSet, type StoredRule, Visitor } from './rules.js';

const GEO: Geo = {
  country: (address) => ({ '192.0.2.1': 'DE', '2001:db8::1': 'BR' })[address],
  asn: (address) => ({ '192.0.2.1': 64_500 })[address],
};
const NOTHING: Geo = { country: () => undefined, asn: () => undefined };

type Short = [action: RuleAction, match: StoredRule['match'], value: string, more?: Partial<StoredRule>];
const rules = (...short: Short[]) =>
  new RuleSet(
    short.map(([action, match, value, more], i) => ({
      ruleId: i + 1,
      action,
      match,
      value,
      priority: i,
      enabled: true,
      ...more,
    })),
  );

const judge = (set: RuleSet, address = '192.0.2.1', target = '/', geo = GEO) =>
  set.judge(new Visitor(address, geo), parsePath(target)!.path)?.action;

describe('a rule of an address', () => {
  it.each([
    ['IP', '192.0.2.1', ['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201'], ['192.0.2.2', '2001:db8::c000:201']],
    ['IP', '::ffff:192.0.2.1', ['192.0.2.1'], ['192.0.2.2']],
    ['IP', '2001:db8::1', ['2001:db8::1', '2001:DB8:0:0::1'], ['2001:db8::2', '192.0.2.1']],
    ['CIDR', '192.0.2.77/24', ['192.0.2.0', '192.0.2.255', '::ffff:192.0.2.9'], ['192.0.3.0', '2001:db8::1']],
    ['CIDR', '192.0.2.0/25', ['192.0.2.127'], ['192.0.2.128']],
    ['CIDR', '0.0.0.0/0', ['192.0.2.1', '255.255.255.255'], ['::1', 'nobody']],
    ['CIDR', '::/0', ['::1', '2001:db8::1'], ['192.0.2.1', '::ffff:192.0.2.1']],
    ['CIDR', '::ffff:192.0.2.0/120', ['192.0.2.200'], ['192.0.3.1']],
    ['CIDR', '2001:db8::/33', ['2001:db8:7fff::1'], ['2001:db8:8000::1']],
    ['CIDR', '2001:db8::1/128', ['2001:db8::1'], ['2001:db8::']],
    ['COUNTRY', 'DE', ['192.0.2.1'], ['2001:db8::1', '198.51.100.1']],
    ['COUNTRY', 'ALL', ['192.0.2.1', '198.51.100.1'], []],
    ['ASN', 'AS64500', ['192.0.2.1', '::ffff:192.0.2.1'], ['2001:db8::1']],
    ['ASN', 'ALL', ['2001:db8::1'], []],
    ['REGION', '150', ['192.0.2.1'], ['2001:db8::1', '198.51.100.1']],
    ['REGION', '155', ['192.0.2.1'], ['2001:db8::1']],
    ['REGION', '005', ['2001:db8::1'], ['192.0.2.1']],
    ['IP', 'no address', [], ['192.0.2.1']],
    ['CIDR', '192.0.2.0/33', [], ['192.0.2.1']],
  ] as ['IP', string, string[], string[]][])('%s %s', (match, value, matching, others) => {
    const set = rules(['DROP', match, value]);
    expect(matching.filter((address) => judge(set, address) !== 'DROP')).toEqual([]);
    expect(others.filter((address) => judge(set, address) !== undefined)).toEqual([]);
  });

  it('of a place matches nobody without a file, but ALL', () => {
    const drop = (match: 'COUNTRY' | 'ASN' | 'REGION', value: string) =>
      judge(rules(['DROP', match, value]), '192.0.2.1', '/', NOTHING);
    expect([drop('COUNTRY', 'DE'), drop('ASN', 'AS64500'), drop('REGION', '150')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([drop('COUNTRY', 'ALL'), drop('ASN', 'ALL')]).toEqual(['DROP', 'DROP']);
  });

  it('asks once where a visitor is', () => {
    let asked = 0;
    const visitor = new Visitor('192.0.2.1', { ...GEO, country: () => (asked++, 'DE') });
    const set = rules(['DROP', 'COUNTRY', 'FR'], ['DROP', 'REGION', '019'], ['ACCEPT', 'COUNTRY', 'DE']);
    expect([set.judge(visitor, '/')?.action, set.judge(visitor, '/')?.action, asked]).toEqual(['ACCEPT', 'ACCEPT', 1]);
  });
});

describe('rules', () => {
  it('are tried by priority, then as they were made; those that are off are not', () => {
    const set = rules(
      ['DROP', 'COUNTRY', 'ALL', { priority: 10 }],
      ['ACCEPT', 'IP', '192.0.2.1', { priority: -5 }],
      ['PASS', 'IP', '192.0.2.1', { priority: -5 }],
      ['DROP', 'IP', '192.0.2.1', { priority: -9, enabled: false }],
    );
    expect(set.judge(new Visitor('192.0.2.1', GEO), '/')).toEqual({ action: 'ACCEPT', ruleId: 2 });
    expect(set.judge(new Visitor('192.0.2.2', GEO), '/')).toEqual({ action: 'DROP', ruleId: 1 });
    expect(rules().judge(new Visitor('192.0.2.2', GEO), '/')).toBeUndefined();
  });

  it('say whether paths decide', () => {
    expect(rules(['DROP', 'IP', '192.0.2.1']).decidesByPath).toBe(false);
    expect(rules(['DROP', 'PATH', '/a']).decidesByPath).toBe(true);
    expect(rules(['DROP', 'PATH', '/a', { enabled: false }]).decidesByPath).toBe(false);
  });
});

/** None of these is a way to /admin/x past a rule, and none is a way into what /open/* lets in. */
const TRICKS = [
  '/admin/x',
  '/admin',
  '/admin/',
  '//admin/x',
  '/admin//x',
  '///admin',
  '/./admin/x',
  '/%61dmin/x',
  '/%61%64%6d%69%6e/x',
  '/a/../admin/x',
  '/a/%2e%2e/admin/x',
  '/a/.%2E/admin/x',
  '/open/../admin/x',
  '/open/%2e%2e/admin/x',
  '/open//../../admin/x',
  '/ADMIN/x',
  '/Admin/x',
  '/admin;a=b/x',
  '/admin;/x',
  '//admin;x',
  '/%41dmin/x',
  '/admin/%2e/x',
  '/../admin/x',
  '/admin/x/..',
  '/admin/%3b/x',
];

describe('paths that only a target understands', () => {
  it.each(TRICKS)('%s is dropped with /admin', (target) => {
    expect(judge(rules(['DROP', 'PATH', '/admin/*'], ['ACCEPT', 'COUNTRY', 'ALL']), undefined, target)).toBe('DROP');
  });

  it.each(TRICKS)('%s is not let in when only /open is, and not without the login that /admin asks for', (target) => {
    expect(judge(rules(['ACCEPT', 'PATH', '/open/*']), undefined, target)).toBeUndefined();
    expect(judge(rules(['PASS', 'PATH', '/admin/*'], ['ACCEPT', 'COUNTRY', 'ALL']), undefined, target)).toBe('PASS');
    expect(judge(rules(['PASS', 'PATH', '/admin/*'], ['DROP', 'COUNTRY', 'ALL']), undefined, target)).toMatch(
      /PASS|DROP/,
    );
  });

  it.each([
    '/open/..;/admin',
    '/open/..%2fadmin',
    '/open/..\\admin',
    '/open/%5c..%5cadmin',
    '/open/%c0%ae%c0%ae/admin',
  ])('%s is ambiguous: 400', (target) => {
    expect(parsePath(target)?.ambiguous).toBe(true);
  });

  it.each([
    ['/open/a', 'ACCEPT'],
    ['/open/%61', 'ACCEPT'],
    ['/open/A', 'ACCEPT'],
    ['/open/', 'ACCEPT'],
    ['/OPEN/a', undefined],
    ['//open/a', undefined],
    ['/open//a', 'ACCEPT'],
    ['/open;x/a', undefined],
    ['/open/a;x', 'ACCEPT'],
  ])('%s with /open let in: %s', (target, action) => {
    expect(judge(rules(['ACCEPT', 'PATH', '/open/*']), undefined, target)).toBe(action);
  });

  it('are compared with rules in whatever spelling these are', () => {
    for (const value of ['/@me', '/%40me', '/%40ME', '@me', '/@%6de'])
      for (const target of ['/@me', '/%40me', '/%40%6de'])
        expect(judge(rules(['DROP', 'PATH', value]), undefined, target)).toBe('DROP');
    expect(judge(rules(['ACCEPT', 'PATH', '/%6de']), undefined, '/me')).toBe('ACCEPT');
    expect(judge(rules(['ACCEPT', 'PATH', '/a%2Fb']), undefined, '/a%2fb')).toBe('ACCEPT');
  });
});

describe('regions', () => {
  it('have every country but Antarctica, once', () => {
    const without = [...CountryCodes, 'XK'].filter((code) => regionsOf(code).length !== 2);
    expect(without).toEqual(['AQ']);
    expect([regionsOf('DE'), regionsOf('XX')]).toEqual([['155', '150'], []]);
  });
});

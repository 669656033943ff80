import { describe, expect, it } from 'vitest';
import { mayTryNext, type StoredTarget, stickyValue, TargetSet, type TargetStates } from './targets.js';

let id = 0;
const target = (more: Partial<StoredTarget> = {}): StoredTarget => ({
  targetId: ++id,
  siteId: 1,
  ip: '10.0.0.1',
  port: 80,
  method: 'http',
  enabled: true,
  path: null,
  pathMatchType: null,
  rewritePath: null,
  rewritePathType: null,
  priority: 100,
  insecureTls: false,
  ...more,
});
const GOOD: TargetStates = { isOnline: () => true, isUnhealthy: () => false };
const without = (...away: StoredTarget[]): TargetStates => ({
  ...GOOD,
  isUnhealthy: (targetId) => away.some((one) => one.targetId === targetId),
});

describe('targets without paths', () => {
  it('take turns, each as often', () => {
    const [a, b, c, off] = [target(), target(), target(), target({ enabled: false })];
    const set = new TargetSet([a, off, b, c]);
    const chosen = Array.from({ length: 6 }, () => set.choose('/', GOOD));
    expect(chosen).toEqual([a, b, c, a, b, c]);
    expect(set.decidesByPath).toBe(false);
  });

  it('are left out when unhealthy, offline or tried', () => {
    const [a, b] = [target({ siteId: 1 }), target({ siteId: 2 })];
    const set = new TargetSet([a, b]);
    const offline = (...sites: number[]): TargetStates => ({ ...GOOD, isOnline: (siteId) => !sites.includes(siteId) });
    for (let i = 0; i < 3; i++) {
      expect(set.choose('/', without(a))).toBe(b);
      expect(set.choose('/', offline(2))).toBe(a);
      expect(set.choose('/', GOOD, [a.targetId])).toBe(b);
    }
    expect(set.choose('/', without(a, b))).toBe('no_healthy_target');
    expect(set.choose('/', GOOD, [a.targetId, b.targetId])).toBe('no_healthy_target');
    expect(set.choose('/', offline(1, 2))).toBe('site_offline');
    expect(set.choose('/', { ...without(a), isOnline: (siteId) => siteId === 1 })).toBe('no_healthy_target');
    expect(new TargetSet([]).choose('/', GOOD)).toBe('no_healthy_target');
  });

  it('of a lower priority stand in for those of a higher', () => {
    const [low, high] = [target({ priority: 10 }), target({ priority: 20 })];
    const set = new TargetSet([low, high]);
    expect([set.choose('/', GOOD), set.choose('/', GOOD), set.choose('/', without(high))]).toEqual([high, high, low]);
  });

  it('are chosen by the sticky cookie as long as they are available', () => {
    const [a, b, c] = [target(), target(), target()];
    const set = new TargetSet([a, b, c]);
    const key = Buffer.alloc(32, 1);
    const cookie = stickyValue(key, 5, b.targetId);
    const wish = (targetId: number) => stickyValue(key, 5, targetId) === cookie;
    for (let i = 0; i < 4; i++) expect(set.choose('/', GOOD, [], wish)).toBe(b);
    expect(set.choose('/', without(b), [], wish)).not.toBe(b);
    expect(cookie).toMatch(/^[\w-]{43}$/);
    expect(new Set([cookie, stickyValue(key, 6, b.targetId), stickyValue(Buffer.alloc(32), 5, b.targetId)]).size).toBe(
      3,
    );
  });
});

describe('targets with paths', () => {
  it('are chosen by priority, then by length', () => {
    const all = target();
    const api = target({ path: '/api', pathMatchType: 'prefix' });
    const v1 = target({ path: 'api/v1', pathMatchType: 'prefix' });
    const exact = target({ path: '/api/v1', pathMatchType: 'exact', priority: 200 });
    const digits = target({ path: '^/\\d+$', pathMatchType: 'regex', priority: 300 });
    const broken = target({ path: '(', pathMatchType: 'regex', priority: 900 });
    const set = new TargetSet([all, api, v1, exact, digits, broken]);
    expect(set.decidesByPath).toBe(true);
    for (const [path, wanted] of [
      ['/', all],
      ['/api', api],
      ['/api/', api],
      ['/apis', all],
      ['/API', all],
      ['/api/v1', exact],
      ['/api/v1/', v1],
      ['/api/v1/x', v1],
      ['/api/v10', api],
      ['/12', digits],
      ['/12/', all],
    ] as const)
      expect([path, set.choose(path, GOOD)]).toEqual([path, wanted]);
  });

  it('that are away leave their path to nobody', () => {
    const [all, api] = [target(), target({ path: '/api', pathMatchType: 'prefix' })];
    expect(new TargetSet([all, api]).choose('/api/x', without(api))).toBe('no_healthy_target');
    expect(new TargetSet([api]).choose('/', GOOD)).toBe('no_healthy_target');
  });

  it.each([
    ['exact', '/old', 'exact', '/new', '/old', '/new'],
    ['prefix', '/old', 'exact', '/new', '/old/x', '/old/x'],
    ['prefix', '/api', 'prefix', '/v2', '/api/x', '/v2/x'],
    ['prefix', '/api', 'prefix', 'v2', '/api', '/v2'],
    ['prefix', '/api', 'stripPrefix', '/', '/api/x/y', '/x/y'],
    ['prefix', '/api', 'stripPrefix', '/', '/api', '/'],
    ['prefix', '/api/', 'stripPrefix', '/', '/api/x', '/x'],
    ['prefix', '/api', 'stripPrefix', '/base/', '/api/x', '/base/x'],
    ['prefix', '/a pi', 'stripPrefix', '/', '/a%20pi/x', '/x'],
    ['regex', '^/u/([0-9]+)/(.*)$', 'regex', '/users/$1?rest=$2', '/u/7/a', '/users/7?rest=a'],
    ['regex', '^/u/(.*)$', 'regex', '/$1', '/u/%2e%2e/x', '/x'],
    ['regex', '^/u/(.*)$', 'regex', '/../$1', '/u/x', '/x'],
    ['prefix', '/api', 'prefix', '/a b', '/api', undefined],
    ['prefix', '/api', 'prefix', '/%00', '/api', undefined],
  ] as const)(
    '%s %s rewritten by %s to %s: %s is %s',
    (pathMatchType, path, rewritePathType, rewritePath, asked, wanted) => {
      const one = target({ path, pathMatchType, rewritePath, rewritePathType });
      expect(new TargetSet([one]).rewrite(one, asked, '')).toBe(wanted);
    },
  );

  it('keep the query', () => {
    const one = target({ path: '/a', pathMatchType: 'prefix', rewritePath: '/b?x=1', rewritePathType: 'exact' });
    const plain = target();
    const set = new TargetSet([one, plain]);
    expect(set.rewrite(one, '/a', '?y=2')).toBe('/b?x=1&y=2');
    expect(set.rewrite(one, '/a', '')).toBe('/b?x=1');
    expect(set.rewrite(plain, '/a', '?y')).toBe('/a?y');
  });
});

describe('another target', () => {
  it.each([
    ['GET', 0, false, true],
    ['PUT', 0, false, true],
    ['POST', 0, false, false],
    ['PATCH', 0, false, false],
    ['POST', 0, true, true],
    ['GET', 1, false, false],
    ['PUT', 1, true, false],
  ])('%s after %d bytes, refused %s: %s', (method, bodyBytesSent, refused, may) => {
    expect(mayTryNext({ method, bodyBytesSent, refused })).toBe(may);
  });
});

import { expect, it, vi } from 'vitest';
import type { SessionEnd } from './connect-session.js';
import type { TunnelConnection } from './tunnel-connection.js';
import { MAX_OF_ORG, MAX_OF_SITE, TunnelRegistry } from './tunnel-registry.js';

/** A connection as the registry sees one. */
function connection(siteId = 1, { orgId = 'acme', streams = 0, isUsable = true } = {}) {
  let close: (why: SessionEnd) => void = () => undefined;
  const closed = new Promise<SessionEnd>((resolve) => (close = resolve));
  const fake = { owner: { siteId, orgId }, closed, isUsable, streams: { size: streams }, end: vi.fn(close) };
  return fake as unknown as TunnelConnection & { end: ReturnType<typeof vi.fn> };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('offers the connections on which streams can be opened, the least busy first', () => {
  const registry = new TunnelRegistry();
  const [busy, idle, shut] = [
    connection(1, { streams: 9 }),
    connection(1, { streams: 2 }),
    connection(1, { isUsable: false }),
  ];
  for (const one of [busy, idle, shut, connection(2)]) registry.enter(one);
  expect(registry.usable(1)).toEqual([idle, busy]);
  expect(registry.allOf(1)).toEqual([busy, idle, shut]);
  expect([1, 2, 3].map((siteId) => registry.isUsable(siteId))).toEqual([true, true, false]);
});

it('tells of the end of a connection, and forgets it', async () => {
  const registry = new TunnelRegistry();
  const ended = vi.fn();
  registry.onEnd(ended);
  const changed = vi.fn();
  registry.onChange(changed);
  const [first, second] = [connection(), connection()];
  for (const one of [first, second]) registry.enter(one);
  first.end('silent');
  await settled();
  expect(ended.mock.calls).toEqual([[first, 'silent']]);
  expect(changed.mock.calls).toEqual([[1]]);
  expect(registry.all).toEqual([second]);
  second.end('closed');
  await settled();
  expect([registry.all, [...registry.siteIds], registry.sitesOf('acme')]).toEqual([[], [], []]);
});

it('lets the oldest connection of a site give way to one too many', async () => {
  const registry = new TunnelRegistry();
  const held = Array.from({ length: MAX_OF_SITE + 1 }, () => connection());
  for (const one of held) registry.enter(one);
  expect(held.filter(({ end }) => end.mock.calls.length > 0)).toEqual([held[0]]);
  expect(held[0]!.end).toHaveBeenCalledWith('replaced');
  await settled();
  expect(registry.allOf(1)).toEqual(held.slice(1));
});

it('has room for so many connections of an organization, and for those of others', () => {
  const registry = new TunnelRegistry();
  for (let siteId = 1; siteId <= MAX_OF_ORG; siteId++) registry.enter(connection(siteId));
  expect(() => registry.requireRoom('acme')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
  expect(() => registry.requireRoom('other')).not.toThrow();
  expect(registry.sitesOf('acme')).toHaveLength(MAX_OF_ORG);
});

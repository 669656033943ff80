import { expect, it } from 'vitest';
import { KeyRing } from '#platform';
import { readConnect, SiteReader, siteFields, siteLines } from './hop-wire.js';

it('sites that are told are known, however the lines come', () => {
  const usable = new Set([1, 2, 300_000]);
  const known = new Set<number>();
  const reader = new SiteReader(known);
  const tell = (...siteIds: number[]) => {
    for (const part of siteLines(siteIds, (siteId) => usable.has(siteId))) reader.push(part);
  };
  tell(1, 2, 3, 300_000);
  expect([...known]).toEqual([1, 2, 300_000]);
  usable.delete(2);
  usable.add(4);
  tell(2, 4);
  expect([...known]).toEqual([1, 300_000, 4]);
  expect(siteLines([], () => true)).toBe('');
});

it('a CONNECT says what it is for, or cannot be read', () => {
  const site = { siteId: 7, orgId: 'acme' };
  const headers = {
    ':method': 'CONNECT',
    ':authority': '[fd00::1]:443',
    'gatehouse-payload': 'http',
    ...siteFields(site),
  };
  const target = { protocol: 'tcp', host: 'fd00::1', port: 443, payload: 'http' };
  expect(readConnect(headers)).toEqual({ site, target });
  const tls = { 'gatehouse-tls': 'verify', 'gatehouse-tls-name': 'app.test' };
  expect(readConnect({ ...headers, ...tls })?.target.tls).toEqual({ mode: 'verify', name: 'app.test' });
  expect(readConnect({ ...headers, ':protocol': 'connect-udp' })?.target).toEqual({
    ...target,
    protocol: 'udp',
    payload: 'tcp',
  });
  for (const wrong of [
    { ':method': 'GET' },
    { ':authority': 'nowhere' },
    { ':protocol': 'websocket' },
    { 'gatehouse-payload': 'other' },
    { 'gatehouse-tls': 'perhaps' },
    { 'gatehouse-site': 'x' },
    { 'gatehouse-organization': undefined },
  ])
    expect(readConnect({ ...headers, ...wrong })).toBeUndefined();
});

it('while the master key is changed, processes with either key have one in common', () => {
  const [before, after] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const changing = new KeyRing(after, before).hopKeys;
  for (const key of [before, after]) expect(changing).toContainEqual(new KeyRing(key).hopKeys[0]);
  expect(new Set(changing.map(({ identity }) => identity)).size).toBe(2);
});

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseSearch } from '../address';
import { listSearch } from '../list/search';
import { siteFilterOf, siteOrderOf } from './site-filter';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime('2026-11-29T12:04:59Z');
});
afterEach(() => vi.useRealTimers());

const of = (address: string) => siteFilterOf(listSearch(parseSearch(address)));

it('asks the API for what the address says', () => {
  expect(of('?q=roof&state=offline&label=model%3Dx&label=hall&%21label=spare&%21group=lab&page=3&sort=-name')).toEqual({
    query: 'roof',
    state: 'offline',
    label: ['model=x', 'hall'],
    notLabel: ['spare'],
    notGroup: 'lab',
  });
  expect(of('?labelled=no&odd=yes&generation=2&key=spk_1&%21agentVersion=1.2.0')).toEqual({
    labelled: false,
    odd: true,
    generation: 2,
    keyId: 'spk_1',
    notAgentVersion: '1.2.0',
  });
});

it('reads ages as instants, which stay the same for a while', () => {
  expect(of('?seenBefore=24h&credentialEndsBefore=30d')).toEqual({
    lastSeenBefore: '2026-11-28T12:00:00.000Z',
    credentialExpiresBefore: '2026-12-29T12:00:00.000Z',
  });
  expect(of('?createdAfter=2026-11-01T00:00:00Z')).toEqual({ createdAfter: '2026-11-01T00:00:00Z' });
});

it('leaves to the API what it does not understand, and drops what names no filter', () => {
  expect(of('?odd=perhaps&generation=x&%21state=offline&colour=red')).toEqual({ odd: 'perhaps', generation: 'x' });
});

it('sorts by what the API sorts by', () => {
  expect(siteOrderOf({ sort: '-lastSeenAt' })).toEqual({ sort_by: 'lastSeenAt', order: 'desc' });
  expect(siteOrderOf({ sort: 'colour' })).toBeUndefined();
});

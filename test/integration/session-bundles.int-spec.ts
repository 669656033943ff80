import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { LeasesService } from '../../src/instances/index.js';
import { newNonce } from '../support/api.js';
import { openSession } from '../support/bundle-sessions.js';
import { BundleOrg } from '../support/bundles.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

it('a session that asks for leases without end has eight waiting at most, in order, and hears of the others at once', async () => {
  const org = await BundleOrg.create(app);
  const session = await openSession(app, await org.site());
  const begun: string[] = [];
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const take = vi.spyOn(app.get(LeasesService), 'take').mockImplementation(async (_orgId, _siteId, { nonce }) => {
    begun.push(nonce);
    await gate;
    return { lease: nonce };
  });
  try {
    const nonces = Array.from({ length: 12 }, newNonce);
    for (const nonce of nonces) session.send('agent/lease', { nonce, prev: null, ver: 0 });
    await session.settled();
    await vi.waitUntil(() => begun.length > 0, { timeout: 60_000 });
    expect(session.received.filter(({ type }) => type === 'error')).toHaveLength(4);
    expect(begun).toEqual(nonces.slice(0, 1));
    open();
    await session.message('agent/lease', ({ lease }) => lease === nonces[7]);
    const leases = session.received.filter(({ type }) => type === 'agent/lease').map(({ data }) => data['lease']);
    expect(leases).toEqual(nonces.slice(0, 8));
  } finally {
    take.mockRestore();
    await session.close();
  }
});

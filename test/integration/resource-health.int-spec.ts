import { describe, expect, it } from 'vitest';
import { ResourceWriter } from '../../src/resources/index.js';
import { app, create, health, resource, setUpTargets, site, update } from '../support/targets.js';

setUpTargets();

/** As its site tells it. */
const tell = (
  { siteId, targetId }: { siteId: number; targetId: number },
  health: 'healthy' | 'unhealthy' | 'unknown',
) => app.db.tx((tx) => app.get(ResourceWriter).recordHealth(tx, [{ siteId, targetId, health }]));
const healthOf = async (targetId: number) =>
  (await app.root.expect<{ hcHealth: string }>('GET', `/target/${targetId}`)).hcHealth;

describe('health of a target', () => {
  it('is unknown until its site has told a result, and again once it moves to another site or is not checked', async () => {
    const id = await resource('acme');
    const { targetId, siteId } = await create({ hcEnabled: true }, id);
    expect(await healthOf(targetId)).toBe('unknown');
    await tell({ targetId, siteId }, 'healthy');
    await update(targetId, { hcEnabled: true, port: 81 });
    expect(await healthOf(targetId)).toBe('healthy');
    const other = await site('acme');
    await update(targetId, { hcEnabled: true, siteId: other });
    expect(await healthOf(targetId)).toBe('unknown');
    await tell({ targetId, siteId: other }, 'unhealthy');
    await update(targetId, { hcEnabled: false, siteId: other });
    await tell({ targetId, siteId: other }, 'unhealthy');
    expect(await healthOf(targetId)).toBe('unknown');
  });

  it('is not told by another site', async () => {
    const id = await resource('acme');
    const { targetId } = await create({ hcEnabled: true }, id);
    await tell({ targetId, siteId: await site('acme') }, 'healthy');
    await tell({ targetId, siteId: await site('other') }, 'healthy');
    expect(await healthOf(targetId)).toBe('unknown');
  });
});

describe('health of a resource', () => {
  it('sums up its enabled checks on enabled targets', async () => {
    const id = await resource('acme');
    await create({}, id);
    expect(await health(id)).toBe('unknown');
    const [one, two] = [await create({ hcEnabled: true }, id), await create({ hcEnabled: true }, id)];
    expect(await health(id)).toBe('unknown');
    await tell(one, 'healthy');
    // Of the other one nothing is known yet.
    expect(await health(id)).toBe('healthy');
    await tell(two, 'unhealthy');
    expect(await health(id)).toBe('degraded');
    await tell(one, 'unhealthy');
    expect(await health(id)).toBe('unhealthy');
    await tell(one, 'healthy');
    await update(two.targetId, { hcEnabled: true, enabled: false });
    expect(await health(id)).toBe('healthy');
    await app.root.expect('DELETE', `/target/${one.targetId}`);
    expect(await health(id)).toBe('unknown');
  });

  it('changes with a site that goes, whose targets go with it', async () => {
    const id = await resource('acme');
    const gone = await site('acme');
    await create({ siteId: gone }, id);
    const bad = await create({ siteId: gone, hcEnabled: true }, id);
    const good = await create({ hcEnabled: true }, id);
    await tell(good, 'healthy');
    await tell(bad, 'unhealthy');
    expect(await health(id)).toBe('degraded');
    await app.root.expect('DELETE', `/site/${gone}`);
    expect((await app.root.get(`/target/${bad.targetId}`)).status).toBe(404);
    expect(await health(id)).toBe('healthy');
  });

  it('a site counts the resources that have a target on it', async () => {
    const own = await site('acme');
    const [one, two] = [await resource('acme'), await resource('acme')];
    for (const id of [one, one, two]) await create({ siteId: own }, id);
    const { sites } = await app.root.expect<{ sites: { siteId: number; resourceCount: number }[] }>(
      'GET',
      '/org/acme/sites?pageSize=1000',
    );
    expect(sites.find((s) => s.siteId === own)!.resourceCount).toBe(2);
  });
});

import { describe, expect, it } from 'vitest';
import { app, create, health, resource, setUpTargets, site, update } from '../support/targets.js';

setUpTargets();

describe('health of a resource', () => {
  it('sums up its enabled checks on enabled targets', async () => {
    const id = await resource('acme');
    await create({}, id);
    expect(await health(id)).toBe('unknown');
    const [one, two] = [await create({ hcEnabled: true }, id), await create({ hcEnabled: true }, id)];
    expect(await health(id)).toBe('unhealthy');
    await app.sql(`UPDATE target SET hc_health = 'healthy' WHERE target_id = $1`, [one.targetId]);
    await update(one.targetId, { hcEnabled: true });
    expect(await health(id)).toBe('degraded');
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
    await app.sql(`UPDATE target SET hc_health = 'healthy' WHERE target_id = $1`, [good.targetId]);
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

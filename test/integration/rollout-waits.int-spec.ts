// Whom a rollout waits for: docs/instances.md §5 rule 3.
import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { RolloutsRepository } from '../../src/instances/rollouts/rollouts.repository.js';
import { BundleOrg, documentWith } from '../support/bundles.js';
import { RolloutBench } from '../support/rollouts.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: BundleOrg;
let bench: RolloutBench;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());
beforeEach(async () => {
  org = await BundleOrg.create(app);
  bench = new RolloutBench(app, org);
  await org.secret('TOKEN');
  await org.revision(documentWith('TOKEN'));
});

it('a site that is connected by an agent which runs no program is as one that is away', async () => {
  const sites = await bench.sites(2);
  await bench.connect(sites[0]!, false);
  const listed = async () =>
    (await app.root.expect<{ bundles: { takesBundles: boolean }[] }>('GET', org.org.path('bundles'))).bundles.map(
      ({ takesBundles }) => takesBundles,
    );
  const jobId = await bench.addVersion('TOKEN', { perMinute: null });
  await bench.reached(jobId, 1);
  await bench.waited(16, sites[0]!);
  await bench.reached(jobId, 2);
  await bench.connect(sites[1]!);
  expect(await listed()).toEqual([false, true]);
  await bench.answer(sites[1]!, 'applied');
  expect(await bench.became(jobId, 'succeeded')).toMatchObject({ applied: 1, failed: 0, waiting: 1, error: null });
});

it('sites are waited for without looking for further sites each time', async () => {
  const sites = await bench.sites(2);
  for (const site of sites) await bench.connect(site);
  const jobId = await bench.addVersion('TOKEN', { canary: 0, perMinute: null });
  await bench.reached(jobId, 2);
  const repository = app.get(RolloutsRepository);
  const looked = vi.spyOn(repository, 'isAwaiting');
  await until(() => Promise.resolve(looked.mock.calls.length > 0));
  const searched = vi.spyOn(repository, 'next');
  const before = looked.mock.calls.length;
  await until(() => Promise.resolve(looked.mock.calls.length > before + 2));
  expect(searched).not.toHaveBeenCalled();
  // Who came meanwhile gets it before the end.
  const late = await org.site();
  await bench.offerSettled(late);
  for (const site of sites) await bench.answer(site, 'applied');
  await bench.reached(jobId, 3);
  await bench.answer(late, 'applied');
  expect(await bench.became(jobId, 'succeeded')).toMatchObject({ applied: 3 });
  vi.restoreAllMocks();
});

import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EPOCH } from '#contracts';
import { Epoch } from '../../src/instances/index.js';
import { TestOrg } from '../support/api.js';
import { type StartedApp, startApp } from '../support/app.js';
import { until } from '../support/server.js';
import { openTestApp, operator, type TestApp } from '../support/test-app.js';

let app: TestApp;
let here: Epoch;
const more: StartedApp[] = [];
beforeAll(async () => {
  app = await openTestApp();
  here = app.get(Epoch);
});
afterAll(async () => {
  for (const one of more) await one.close();
  await app?.close();
});

const start = async (): Promise<Epoch> => {
  const started = await startApp(app.database.url);
  more.push(started);
  return started.app.get(Epoch);
};
const stored = async () =>
  (await app.sql<{ epoch: number; system: string }>('SELECT epoch, system FROM bundle_epoch'))[0]!;

describe('the epoch (docs/instances.md §3)', () => {
  it('begins at 1 and stays where the database stays', async () => {
    expect(here.current()).toBe(1);
    expect(here.stateBase()).toBe(0);
    expect((await start()).current()).toBe(1);
    expect((await stored()).system).toMatch(/^\d+\/[0-9A-F]{8}\/\d+\/\d+$/);
  });

  it('rises once when the rows come from elsewhere, however many servers start, and every process hears of it', async () => {
    await app.sql(`UPDATE bundle_epoch SET system = '1/00000001/2/3'`);
    const started = await Promise.all([start(), start(), start()]);
    expect(started.map((epoch) => epoch.current())).toEqual([2, 2, 2]);
    await until(() => here.current() === 2);
    expect(here.stateBase()).toBe(EPOCH);
    expect(await stored()).toMatchObject({ epoch: 2 });
  });

  it('rises when the table was made anew over the old one, as pg_restore --clean does it', async () => {
    const views = await app.sql<{ made: string }>(
      `SELECT format('CREATE VIEW %I AS %s', viewname, definition) AS made FROM pg_views WHERE definition LIKE '%bundle_epoch%'`,
    );
    await app.sql(`ALTER TABLE bundle_epoch RENAME TO former; CREATE TABLE bundle_epoch (LIKE former INCLUDING ALL);
      INSERT INTO bundle_epoch SELECT * FROM former; DROP TABLE former CASCADE; ${views.map(({ made }) => made).join('')}`);
    const { epoch } = await stored();
    expect((await start()).current()).toBe(epoch + 1);
    await until(() => here.current() === epoch + 1);
  });

  it('rises when an operator says so, with a row in the audit', async () => {
    const before = here.current();
    expect(await here.raise(operator)).toBe(before + 1);
    for (const { app: other } of more) await until(() => other.get(Epoch).current() === before + 1);
    expect(await app.sql(`SELECT actor_id AS by FROM audit WHERE action = 'epoch.raise'`)).toEqual([
      { by: 'operator' },
    ]);
  });

  it('begins all chains of leases anew, however it rises; what is held back after a clone stays so', async () => {
    const org = await TestOrg.create(app.root);
    const sites: number[] = [];
    for (const name of ['one', 'held']) {
      const { siteId } = await app.root.expect<{ siteId: number }>('PUT', org.path('site'), { name, type: 'newt' });
      sites.push(siteId);
    }
    const raise = [
      () => app.sql(`UPDATE bundle_epoch SET system = '1/00000001/2/3'`).then(start),
      () => here.raise(operator),
    ];
    for (const rises of raise) {
      await app.sql(
        `INSERT INTO site_lease (site_id, org_id, jti, expires_at, held) SELECT site_id, org_id, 'j', now(), name = 'held' FROM site WHERE site_id = ANY ($1)
         ON CONFLICT DO NOTHING`,
        [sites],
      );
      await rises();
      expect(await app.sql('SELECT site_id AS id FROM site_lease')).toEqual([{ id: sites[1] }]);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { migrate } from '#platform';
import { MIGRATIONS } from '../../src/schema.js';
import { createEmptyDatabase, queryDatabase } from '../support/database.js';
import { setUpTargetRights } from '../support/target-rights.js';

setUpTargetRights();

describe('the migration over 0.1.0', () => {
  it('lists each target that a site put behind what is not its own, once, and leaves it there', async () => {
    const database = await createEmptyDatabase();
    const sql = <Row extends object>(text: string, values: unknown[] = []) =>
      queryDatabase<Row>(database.url, text, values);
    try {
      await migrate(
        database.url,
        MIGRATIONS.filter((migration) => Number(/\d+$/.exec(migration.name)![0]) < 1764110000000),
      );
      await sql(
        `INSERT INTO org (org_id, name, subnet, utility_subnet) VALUES ('a', 'a', '100.90.128.0/17', '100.96.128.0/20')`,
      );
      await sql(
        `INSERT INTO site (site_id, org_id, nice_id, name, status) SELECT i, 'a', 's' || i, 's' || i, 'approved' FROM generate_series(1, 3) i`,
      );
      await sql(
        `INSERT INTO resource (resource_id, org_id, nice_id, name, http, protocol, proxy_port, created_at) SELECT i, 'a', 'r' || i, 'R' || i, false, 'tcp', 1000 + i, timestamptz '2026-01-01' FROM generate_series(1, 4) i`,
      );
      await sql(
        `INSERT INTO blueprint_source (source_id, org_id, site_id, kind, applied_at) VALUES (1, 'a', 1, 'file', '2026-01-02'), (2, 'a', 2, 'newt', '2026-01-02'), (3, 'a', 3, 'bootstrap', '2026-01-01'), (4, 'a', 1, 'bootstrap', '2026-01-03')`,
      );
      // r1 is declared by sites 1 and 2, r2 is the operator's, r3 site 1's, r4 was made by the bootstrap of site 3.
      await sql(
        `INSERT INTO resource_declaration (source_id, resource_id, declared) VALUES (1, 1, '{}'), (2, 1, '{}'), (1, 3, '{}')`,
      );
      const targets: [id: number, resource: number, site: number, source: number | null, at: string][] = [
        [1, 1, 1, 1, '2026-01-02'],
        [2, 1, 2, 2, '2026-01-02'],
        [3, 2, 1, 1, '2026-01-02'],
        [4, 2, 1, null, '2026-01-04'],
        [5, 3, 2, 2, '2026-01-02'],
        [6, 4, 3, null, '2026-01-01'],
        [7, 2, 1, null, '2026-01-03'],
      ];
      for (const values of targets)
        await sql(
          `INSERT INTO target (target_id, org_id, resource_id, site_id, source_id, created_at, ip, port) VALUES ($1, 'a', $2, $3, $4, $5, '10.0.0.1', 80)`,
          values,
        );
      await migrate(database.url, MIGRATIONS);
      await migrate(database.url, MIGRATIONS);
      const events = await sql<{ site: string; data: object }>(
        `SELECT org_id AS org, site_id AS site, data FROM event WHERE type = 'resource.foreign_target' ORDER BY event_id`,
      );
      const event = (site: number, resourceId: number, targetId: number) => ({
        org: 'a',
        site,
        data: { resourceId, niceId: `r${resourceId}`, name: `R${resourceId}`, targetId, ip: '10.0.0.1', port: 80 },
      });
      expect(events).toEqual([event(1, 2, 3), event(2, 3, 5), event(1, 2, 7)]);
      expect(await sql('SELECT count(*) AS n FROM target')).toEqual([{ n: 7 }]);
      expect(await sql('SELECT DISTINCT sites_may_add_targets AS s FROM resource')).toEqual([{ s: null }]);
    } finally {
      await database.drop();
    }
  });
});

import { describe, expect, it } from 'vitest';
import { migrate } from '#platform';
import { DomainsService } from '../../src/resources/domains/domains.service.js';
import { MIGRATIONS } from '../../src/schema.js';
import { createEmptyDatabase, queryDatabase } from '../support/database.js';
import { app, CLASHES, setUpDomainClaims } from '../support/domain-claims.js';

setUpDomainClaims();

describe('the migration over 0.1.0', () => {
  it('lets proofs stand, else the older claim; the others are unverified and told, names stay, and it runs through', async () => {
    const database = await createEmptyDatabase();
    const sql = <Row extends object>(text: string, values: unknown[] = []) =>
      queryDatabase<Row>(database.url, text, values);
    try {
      await migrate(
        database.url,
        MIGRATIONS.filter((migration) => Number(/\d+$/.exec(migration.name)![0]) < 1764100000000),
      );
      for (const orgId of ['a', 'b', 'c']) {
        await sql(
          `INSERT INTO org (org_id, name, subnet, utility_subnet) VALUES ($1, $1, '100.90.128.0/17', '100.96.128.0/20')`,
          [orgId],
        );
      }
      // In the order in which they were made.
      const domains: [id: string, org: string, name: string, type: string, configManaged?: boolean][] = [
        ['base-a', 'a', 'base.net', 'wildcard', true],
        ['base-b', 'b', 'base.net', 'wildcard', true],
        ['on-base', 'a', 'x.base.net', 'wildcard'],
        ['above-proof', 'a', 'b.example', 'wildcard'],
        ['proof', 'b', 'a.b.example', 'ns'],
        ['below-proof', 'c', 'z.a.b.example', 'wildcard'],
        ['backed', 'b', 'y.a.b.example', 'wildcard'],
        ['first', 'b', 'x.two.example', 'wildcard'],
        ['second', 'a', 'two.example', 'wildcard'],
        ['third', 'b', 'y.two.example', 'wildcard'],
        ['proof-top', 'a', 'top.example', 'ns'],
        ['proof-low', 'b', 'low.top.example', 'cname'],
        ['alone', 'c', 'alone.example', 'wildcard'],
      ];
      for (const [i, [id, orgId, base, type, configManaged = false]] of domains.entries()) {
        await sql(
          `INSERT INTO domain (domain_id, org_id, base_domain, type, config_managed, verified, created_at) VALUES ($1, $2, $3, $4, $5, true, timestamptz '2026-01-01' + $6 * interval '1 hour')`,
          [id, orgId, base, type, configManaged, i],
        );
      }
      await sql(
        `INSERT INTO resource (org_id, nice_id, name, http, protocol, domain_id, subdomain, full_domain) VALUES ('a', 'r', 'r', true, 'tcp', 'above-proof', 'w.a', 'w.a.b.example')`,
      );
      await migrate(database.url, MIGRATIONS);
      const lost = await sql<{ id: string }>(`SELECT domain_id AS id FROM domain WHERE NOT verified ORDER BY 1`);
      expect(lost.map((row) => row.id)).toEqual(['above-proof', 'below-proof', 'second']);
      expect(await sql(CLASHES)).toEqual([]);
      expect(await sql(`SELECT failed, error_message FROM domain WHERE domain_id = 'above-proof'`)).toEqual([
        { failed: true, error_message: 'Another organization has proven this domain, or one above or below it' },
      ]);
      const told = [
        ['a', 'above-proof'],
        ['a', 'second'],
        ['c', 'below-proof'],
      ];
      expect(
        (
          await sql<{ o: string; d: string }>(
            `SELECT org_id AS o, data ->> 'domainId' AS d FROM event WHERE type = 'domain.unverified' ORDER BY 1, 2`,
          )
        ).map((e) => [e.o, e.d]),
      ).toEqual(told);
      expect(
        (
          await sql<{ o: string; d: string }>(
            `SELECT org_id AS o, target_id AS d FROM audit WHERE action = 'domain.unverify' ORDER BY 1, 2`,
          )
        ).map((e) => [e.o, e.d]),
      ).toEqual(told);
      expect(await sql(`SELECT full_domain, domain_id FROM resource`)).toEqual([
        { full_domain: 'w.a.b.example', domain_id: 'above-proof' },
      ]);
      await sql(`UPDATE resource SET name = 'renamed', full_domain = 'w.a.b.example'`);
    } finally {
      await database.drop();
    }
  });

  it('is followed by starts that change nothing', async () => {
    const before = await app.sql('SELECT domain_id, verified FROM domain ORDER BY 1');
    await app.get(DomainsService).onApplicationBootstrap();
    expect(await app.sql('SELECT domain_id, verified FROM domain ORDER BY 1')).toEqual(before);
  });
});

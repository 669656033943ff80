import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a site says of a version that was overtaken meanwhile, the way back of a rollout, and leases that are held back (docs/instances.md §4). */
export class BundleStates1764740000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- overtaken: the last version that was fetched before the offered one, as {version, digest, inputs, secrets}; the site may still apply it.
      -- returned: the offered version has the contents of what was applied before, since a rollout's version failed; state and reason tell of that one.
      ALTER TABLE site_bundle ADD COLUMN overtaken jsonb, ADD COLUMN applied_digest text, ADD COLUMN returned boolean NOT NULL DEFAULT false;
      -- held: a clone was seen where the profile says onClone: hold
      ALTER TABLE site_lease ADD COLUMN held boolean NOT NULL DEFAULT false;
      -- What sites are told to have. A version of an epoch that is over will be the first of the present one once it is fetched.
      CREATE VIEW bundle_offer AS
        SELECT b.site_id, CASE WHEN b.version >= e.first THEN b.version ELSE e.first END AS version, CASE WHEN b.version >= e.first THEN b.digest END AS digest
        FROM site_bundle b, (SELECT (epoch::bigint << 32) + 1 AS first FROM bundle_epoch) e WHERE b.version IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP VIEW bundle_offer;
      ALTER TABLE site_lease DROP COLUMN held;
      ALTER TABLE site_bundle DROP COLUMN overtaken, DROP COLUMN applied_digest, DROP COLUMN returned`);
  }
}

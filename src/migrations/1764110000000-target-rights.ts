import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which sites may add targets to a resource by documents of their own (docs/adr/0020). */
export class TargetRights1764110000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
    await runner.query(FOREIGN_TARGETS);
  }

  async down(): Promise<void> {
    throw new Error('The rights to add targets have no way back; restore a backup instead');
  }
}

const SCHEMA = `
-- {"siteIds": [...]} or {"labels": {...}}; null: none but those whose documents declare the resource.
ALTER TABLE resource ADD COLUMN sites_may_add_targets jsonb CHECK (jsonb_typeof(sites_may_add_targets -> 'siteIds') = 'array' OR jsonb_typeof(sites_may_add_targets -> 'labels') = 'object');
-- Finds what names a site that goes.
CREATE INDEX resource_target_rights ON resource USING gin (sites_may_add_targets jsonb_path_ops) WHERE sites_may_add_targets IS NOT NULL;
`;

/**
 * Targets of 0.1.0 that a site put behind a resource that none of its documents declares; told here and nowhere else, so once. A bootstrap's
 * target has no source: it was made in the very transaction in which the bootstrap was applied, and its resource was not.
 */
const FOREIGN_TARGETS = `
INSERT INTO event (org_id, type, site_id, data)
SELECT r.org_id, 'resource.foreign_target', t.site_id,
  jsonb_build_object('resourceId', r.resource_id, 'niceId', r.nice_id, 'name', r.name, 'targetId', t.target_id, 'ip', t.ip, 'port', t.port)
FROM target t JOIN resource r USING (resource_id)
WHERE NOT EXISTS (SELECT FROM resource_declaration d JOIN blueprint_source b USING (source_id) WHERE d.resource_id = r.resource_id AND b.site_id = t.site_id)
  AND (t.source_id IS NOT NULL OR EXISTS (
    SELECT FROM blueprint_source b WHERE b.site_id = t.site_id AND b.kind = 'bootstrap' AND b.applied_at = t.created_at AND b.applied_at <> r.created_at))
ORDER BY t.target_id;
`;

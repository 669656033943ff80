import type { MigrationInterface, QueryRunner } from 'typeorm';
import { nameKey } from '#contracts';

const BUILT_IN = [
  ['operator', 'Operator', 'Runs everything, but for who has access and for deleting'],
  ['approver', 'Approver', 'Decides on sites that wait for approval'],
  ['viewer', 'Viewer', 'Sees everything and changes nothing'],
] as const;

/** Every organization has Operator, Approver and Viewer, which hold what the server's version says (ADR 0076). A role of such a name stays as it is. */
export class RolePresets1765140000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // A server of before reads no action of such a role: it refuses rather than guesses.
    await runner.query(`
      ALTER TABLE role ADD COLUMN preset text,
        ADD CONSTRAINT role_preset CHECK (preset IS NULL OR (preset IN ('operator', 'approver', 'viewer') AND NOT is_admin AND actions = '{}'))`);
    await runner.query(
      `WITH made AS (
         INSERT INTO role (org_id, name, name_key, description, preset)
         SELECT o.org_id, b.name, b.key, b.description, b.preset FROM org o, unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS b(preset, name, key, description)
         ON CONFLICT (org_id, name_key) DO NOTHING RETURNING role_id, org_id, name)
       INSERT INTO audit (org_id, org_uid, actor_type, actor_id, action, target_type, target_id, result, details)
       SELECT m.org_id, o.org_uid, 'system', 'upgrade', 'role.create', 'role', m.role_id::text, 'success', jsonb_build_object('name', m.name) FROM made m JOIN org o USING (org_id)`,
      [
        BUILT_IN.map(([preset]) => preset),
        BUILT_IN.map(([, name]) => name),
        BUILT_IN.map(([, name]) => nameKey(name)),
        BUILT_IN.map(([, , description]) => description),
      ],
    );
  }

  async down(): Promise<void> {
    throw new Error('Who holds a role of these could not be told again; restore a backup instead');
  }
}

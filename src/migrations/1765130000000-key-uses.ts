import type { MigrationInterface, QueryRunner } from 'typeorm';

/** API keys and provisioning keys know who made them; API keys when and whence they were last used, and when they end. */
export class KeyUses1765130000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
    await fillMakers(runner, 'api_key', 'api_key_id', 'api_key');
    await fillMakers(runner, 'provisioning_key', 'key_id', 'site_provisioning_key');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE api_key DROP COLUMN created_by, DROP COLUMN last_used_at, DROP COLUMN last_used_address, DROP COLUMN expires_at;
      ALTER TABLE provisioning_key DROP COLUMN created_by`);
  }
}

const SCHEMA = `
-- created_by: {kind, id, name} as they were; null: not known any more
ALTER TABLE api_key
  ADD COLUMN created_by jsonb,
  ADD COLUMN last_used_at timestamptz,
  ADD COLUMN last_used_address inet,
  ADD COLUMN expires_at timestamptz;
ALTER TABLE provisioning_key ADD COLUMN created_by jsonb`;

/** The audit tells who made what earlier versions made, as long as it is kept; the name is the one of today. */
async function fillMakers(runner: QueryRunner, table: string, id: string, target: string): Promise<void> {
  await runner.query(
    `UPDATE ${table} k SET created_by = jsonb_build_object('kind', a.actor_type, 'id', a.actor_id, 'name', coalesce(u.email, m.name, a.actor_id))
     FROM audit a LEFT JOIN "user" u ON a.actor_type = 'user' AND u.user_id = a.actor_id
       LEFT JOIN api_key m ON a.actor_type IN ('api_key', 'root_key') AND m.api_key_id = a.actor_id
     WHERE a.target_type = '${target}' AND a.action IN ('${target}.create', 'root_key.create') AND a.result = 'success' AND a.target_id = k.${id}`,
  );
}

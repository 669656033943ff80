import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The audit says what actor and target were called, and in which request (docs/integration-api.md §1.10). Rows of before have neither. */
export class AuditNames1765150000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
ALTER TABLE audit ADD COLUMN actor_name text, ADD COLUMN target_name text, ADD COLUMN request_id uuid;
-- Claims, which are most of all rows, belong to no request of a person or key.
CREATE INDEX audit_request ON audit (request_id) WHERE request_id IS NOT NULL;

-- What a transaction deletes is audited after it is gone: the last name of each kind is kept until its end.
CREATE FUNCTION keep_gone_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('gatehouse.gone_' || TG_ARGV[0], (to_jsonb(OLD) ->> TG_ARGV[1]) || ' ' || (to_jsonb(OLD) ->> TG_ARGV[2]), true);
  RETURN NULL;
END $$;
${TARGETS.map(([kind, table, id, name]) => `CREATE TRIGGER ${kind}_gone_name AFTER DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION keep_gone_name('${kind}', '${id}', '${name}');`).join('\n')}

-- The present name of a target of the audit; null: it has none, or nobody knows it.
CREATE FUNCTION audit_target_name(kind text, id text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  found text;
  gone text;
BEGIN
  ${TARGETS.map(
    ([kind, table, column, name, numeric]) =>
      `IF kind = '${kind}' THEN SELECT t.${name}::text INTO found FROM ${table} t WHERE t.${column} = ${numeric ? `CASE WHEN id ~ '^[0-9]{1,18}$' THEN id::bigint END` : 'id'};`,
  ).join('\n  ELS')}
  ELSE RETURN NULL;
  END IF;
  IF found IS NOT NULL THEN RETURN found; END IF;
  gone := current_setting('gatehouse.gone_' || kind, true);
  RETURN CASE WHEN starts_with(gone, id || ' ') THEN substr(gone, length(id) + 2) END;
END $$;`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [kind, table] of TARGETS) await runner.query(`DROP TRIGGER ${kind}_gone_name ON ${table}`);
    await runner.query(`
DROP FUNCTION audit_target_name(text, text);
DROP FUNCTION keep_gone_name();
DROP INDEX audit_request;
ALTER TABLE audit DROP COLUMN actor_name, DROP COLUMN target_name, DROP COLUMN request_id;`);
  }
}

/** Targets of the audit with the table of their names, the columns of id and name, and whether the id is a number. */
const TARGETS: [kind: string, table: string, id: string, name: string, numeric: boolean][] = [
  ['site', 'site', 'site_id', 'name', true],
  ['site_provisioning_key', 'provisioning_key', 'key_id', 'name', false],
  ['provisioning_template', 'provisioning_template', 'template_id', 'name', true],
  ['provisioning_profile', 'provisioning_profile', 'profile_id', 'name', true],
  ['resource', 'resource', 'resource_id', 'name', true],
  ['site_resource', 'site_resource', 'site_resource_id', 'name', true],
  ['domain', 'domain', 'domain_id', 'base_domain', false],
  ['group', 'site_group', 'group_id', 'name', true],
  ['client', 'client', 'client_id', 'name', true],
  ['user', '"user"', 'user_id', 'email', false],
  ['invitation', 'invitation', 'invite_id', 'email', false],
  ['role', 'role', 'role_id', 'name', true],
  ['api_key', 'api_key', 'api_key_id', 'name', false],
  ['address_range', 'address_range', 'range_id', 'cidr', true],
  ['job', 'job', 'job_id', 'kind', true],
  ['org', 'org', 'org_id', 'name', false],
];

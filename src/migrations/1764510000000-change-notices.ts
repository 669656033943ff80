import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whoever changes a resource, whatever serves it from memory hears of it (docs/adr/0026). */
export class ChangeNotices1764510000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SEND);
    for (const { resource, kind, parts } of RESOURCES) {
      await runner.query(resourceChanged(resource, kind));
      await runner.query(partChanged(resource, kind));
      await runner.query(triggers(resource, `${resource}_changed`));
      for (const part of parts) await runner.query(triggers(part, `${resource}_part_changed`));
    }
    await runner.query(DOMAIN);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const { resource } of RESOURCES) {
      await runner.query(`DROP FUNCTION ${resource}_changed() CASCADE`);
      await runner.query(`DROP FUNCTION ${resource}_part_changed() CASCADE`);
    }
    await runner.query('DROP FUNCTION domain_changed() CASCADE');
    await runner.query('DROP FUNCTION send_resource_changed(text, text, bigint[])');
  }
}

const RESOURCES = [
  {
    resource: 'resource',
    kind: 'public',
    parts: ['target', 'resource_rule', 'resource_role', 'resource_user', 'resource_whitelist', 'access_token'],
  },
  {
    resource: 'site_resource',
    kind: 'private',
    parts: ['site_resource_site', 'site_resource_role', 'site_resource_user', 'site_resource_client'],
  },
];

/** What the server writes by itself (ADR 0014), and what counts changes. */
const NOT_CHANGES = `'{health,hc_health,version}'::text[]`;

const SEND = `
-- ids null: any of this kind of the organization. A payload of 8,000 bytes would fail the transaction.
CREATE FUNCTION send_resource_changed(kind text, org text, ids bigint[]) RETURNS void LANGUAGE sql AS $$
  SELECT pg_notify('resource_changed', json_build_object('orgId', $2, 'kind', $1, 'ids', CASE WHEN cardinality($3) <= 100 THEN $3 END)::text)
$$;
`;

/** Rows that wait with a pending site are nobody's business until they are activated. */
const resourceChanged = (resource: string, kind: string): string => `
CREATE FUNCTION ${resource}_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM send_resource_changed('${kind}', org_id, array_agg(${resource}_id ORDER BY ${resource}_id)) FROM added WHERE staged_by IS NULL GROUP BY org_id;
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM send_resource_changed('${kind}', org_id, array_agg(${resource}_id ORDER BY ${resource}_id)) FROM removed WHERE staged_by IS NULL GROUP BY org_id;
  ELSE
    PERFORM send_resource_changed('${kind}', a.org_id, array_agg(${resource}_id ORDER BY ${resource}_id)) FROM added a JOIN removed r USING (${resource}_id)
    WHERE (a.staged_by IS NULL OR r.staged_by IS NULL) AND to_jsonb(a) - ${NOT_CHANGES} <> to_jsonb(r) - ${NOT_CHANGES} GROUP BY a.org_id;
  END IF;
  RETURN NULL;
END $$;
`;

/**
 * Of a resource that goes with its parts its own trigger tells. One that is staged is locked before it is passed over: an activation that
 * commits meanwhile would be told of before the part is there to be seen.
 */
const partChanged = (resource: string, kind: string): string => `
CREATE FUNCTION ${resource}_part_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched bigint[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    touched := ARRAY(SELECT DISTINCT ${resource}_id FROM added);
  ELSIF TG_OP = 'DELETE' THEN
    touched := ARRAY(SELECT DISTINCT ${resource}_id FROM removed);
  ELSE
    touched := ARRAY(SELECT ${resource}_id FROM (
      SELECT ${resource}_id, to_jsonb(a) - ${NOT_CHANGES} AS part, 1 AS n FROM added a
      UNION ALL SELECT ${resource}_id, to_jsonb(r) - ${NOT_CHANGES}, -1 FROM removed r
    ) d GROUP BY ${resource}_id, part HAVING sum(n) <> 0);
  END IF;
  IF cardinality(touched) = 0 THEN RETURN NULL; END IF;
  PERFORM FROM ${resource} WHERE ${resource}_id = ANY (touched) AND staged_by IS NOT NULL ORDER BY ${resource}_id FOR NO KEY UPDATE;
  PERFORM send_resource_changed('${kind}', org_id, array_agg(${resource}_id ORDER BY ${resource}_id))
  FROM ${resource} WHERE ${resource}_id = ANY (touched) AND staged_by IS NULL GROUP BY org_id;
  RETURN NULL;
END $$;
`;

const triggers = (table: string, call: string): string => `
CREATE TRIGGER ${table}_notice_insert AFTER INSERT ON ${table} REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ${call}();
CREATE TRIGGER ${table}_notice_update AFTER UPDATE ON ${table} REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ${call}();
CREATE TRIGGER ${table}_notice_delete AFTER DELETE ON ${table} REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION ${call}();
`;

const DOMAIN = `
-- What a domain says of all that is on it. Without asking who is: a resource may come to be on it in a transaction that is still open. A new
-- domain has none, and of one that goes the resources lose their names.
CREATE FUNCTION domain_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM send_resource_changed(k.kind, o.org_id, NULL) FROM (
    SELECT DISTINCT a.org_id FROM added a JOIN removed r USING (domain_id)
    WHERE (a.base_domain, a.type, a.verified, a.cert_resolver, a.prefer_wildcard_cert) IS DISTINCT FROM (r.base_domain, r.type, r.verified, r.cert_resolver, r.prefer_wildcard_cert)
  ) o, (VALUES ('public'), ('private')) AS k(kind);
  RETURN NULL;
END $$;
CREATE TRIGGER domain_notice AFTER UPDATE ON domain REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION domain_changed();
`;

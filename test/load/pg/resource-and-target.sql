-- What creating a public resource and then a target of it comes to, in two transactions, on Gatehouse's own schema.
BEGIN;
SELECT pg_advisory_xact_lock_shared(hashtextextended('*.ceiling.localhost', 7241));
INSERT INTO resource (org_id, nice_id, name, http, protocol, domain_id, subdomain, full_domain, ssl, sso)
  VALUES (:org, :name::text, :name, true, 'tcp', :domain, :name, :name || '.ceiling.localhost', true, true) RETURNING resource_id;
INSERT INTO audit (org_id, actor_type, actor_id, action, target_type, target_id, result) VALUES (:org, 'root_key', 'bench', 'resource.create', 'resource', :id::bigint::text, 'success');
COMMIT;
BEGIN;
INSERT INTO target (org_id, resource_id, site_id, internal_port, ip, port, method) VALUES (:org, :id, :site, :port, '10.0.0.9', 8080, 'http') ON CONFLICT DO NOTHING;
INSERT INTO audit (org_id, actor_type, actor_id, action, target_type, target_id, result) VALUES (:org, 'root_key', 'bench', 'target.create', 'target', :id::bigint::text, 'success');
UPDATE site SET desired_version = desired_version + 1 WHERE org_id = :org AND site_id = :site RETURNING pg_notify('site_changed', site_id::text);
COMMIT;

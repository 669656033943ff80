import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a site exposes and to whom: roles and invitations, machine clients, domains, public and private resources; stored answers. */
export class Resources1763800000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(): Promise<void> {
    throw new Error('The resources have no way back; restore a backup instead');
  }
}

const SCHEMA = `
-- ---------------------------------------------------------------- versions
-- ETags are versions: every change of the columns that a client sees and sets counts one, whoever makes it.
CREATE FUNCTION next_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := OLD.version + 1;
  RETURN NEW;
END $$;

ALTER TABLE org ADD COLUMN version bigint NOT NULL DEFAULT 1;
CREATE TRIGGER org_version BEFORE UPDATE ON org FOR EACH ROW
  WHEN ((OLD.name, OLD.log_retention_days_request, OLD.log_retention_days_access, OLD.log_retention_days_action, OLD.log_retention_days_connection)
    IS DISTINCT FROM (NEW.name, NEW.log_retention_days_request, NEW.log_retention_days_access, NEW.log_retention_days_action, NEW.log_retention_days_connection))
  EXECUTE FUNCTION next_version();

ALTER TABLE site ADD COLUMN version bigint NOT NULL DEFAULT 1;
CREATE TRIGGER site_version BEFORE UPDATE ON site FOR EACH ROW
  WHEN ((OLD.name, OLD.nice_id, OLD.docker_socket_enabled, OLD.status, OLD.labels) IS DISTINCT FROM (NEW.name, NEW.nice_id, NEW.docker_socket_enabled, NEW.status, NEW.labels))
  EXECUTE FUNCTION next_version();
CREATE INDEX site_local ON site (org_id, site_id) WHERE type = 'local';
CREATE INDEX site_megabytes_in ON site (org_id, megabytes_in, site_id);
CREATE INDEX site_megabytes_out ON site (org_id, megabytes_out, site_id);

-- Which site was rejected or revoked: repeating that is then no error.
ALTER TABLE tombstone ADD COLUMN site_id bigint;
CREATE INDEX tombstone_site ON tombstone (org_id, site_id) WHERE site_id IS NOT NULL;

-- ---------------------------------------------------------------- access
ALTER TABLE role
  ADD COLUMN require_device_approval boolean NOT NULL DEFAULT false,
  ADD COLUMN allow_ssh boolean NOT NULL DEFAULT false,
  ADD COLUMN ssh_sudo_mode text NOT NULL DEFAULT 'none' CHECK (ssh_sudo_mode IN ('none', 'full', 'commands')),
  ADD COLUMN ssh_sudo_commands text[] NOT NULL DEFAULT '{}',
  ADD COLUMN ssh_create_home_dir boolean NOT NULL DEFAULT true,
  ADD COLUMN ssh_unix_groups text[] NOT NULL DEFAULT '{}',
  ADD COLUMN version bigint NOT NULL DEFAULT 1;
CREATE TRIGGER role_version BEFORE UPDATE ON role FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION next_version();

ALTER TABLE membership
  ADD COLUMN auto_provisioned boolean NOT NULL DEFAULT false,
  ADD COLUMN version bigint NOT NULL DEFAULT 1;
CREATE TRIGGER membership_version BEFORE UPDATE ON membership FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION next_version();
CREATE UNIQUE INDEX user_username ON "user" (username);

-- Names of the user, kept beside the membership, so that the list of members is read in its order from an index.
ALTER TABLE membership ADD COLUMN list_name text, ADD COLUMN username text;
UPDATE membership m SET list_name = coalesce(u.name, u.username), username = u.username FROM "user" u WHERE u.user_id = m.user_id;
CREATE FUNCTION membership_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT coalesce(u.name, u.username), u.username INTO NEW.list_name, NEW.username FROM "user" u WHERE u.user_id = NEW.user_id;
  RETURN NEW;
END $$;
CREATE FUNCTION user_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE membership SET list_name = coalesce(NEW.name, NEW.username), username = NEW.username WHERE user_id = NEW.user_id;
  RETURN NULL;
END $$;
CREATE TRIGGER membership_named BEFORE INSERT ON membership FOR EACH ROW EXECUTE FUNCTION membership_names();
CREATE TRIGGER user_renamed AFTER UPDATE OF name, username ON "user" FOR EACH ROW
  WHEN ((OLD.name, OLD.username) IS DISTINCT FROM (NEW.name, NEW.username)) EXECUTE FUNCTION user_renamed();
CREATE INDEX membership_list_name ON membership (org_id, list_name, user_id);
CREATE INDEX membership_username ON membership (org_id, username, user_id);

CREATE TABLE invitation (
  invite_id text PRIMARY KEY,
  org_id text NOT NULL REFERENCES org ON DELETE CASCADE,
  email text NOT NULL CHECK (email = lower(email)),
  token_hash bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  -- when the token was made anew: at most three an hour
  regenerated_at timestamptz[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, email)
);
CREATE TABLE invitation_role (
  invite_id text NOT NULL REFERENCES invitation ON DELETE CASCADE,
  role_id bigint NOT NULL REFERENCES role ON DELETE CASCADE,
  PRIMARY KEY (invite_id, role_id)
);
CREATE INDEX invitation_role_role ON invitation_role (role_id);
CREATE INDEX invitation_expiry ON invitation (expires_at);

-- ---------------------------------------------------------------- stored answers
-- Inserted first in the transaction that it stands for: whoever comes with the same key waits for that transaction's end.
CREATE TABLE idempotency_key (
  principal text NOT NULL,
  method text NOT NULL,
  path text NOT NULL,
  key text NOT NULL,
  body_hash bytea NOT NULL,
  -- encrypted under the master key, bound to the four above
  answer bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, method, path, key)
);
CREATE INDEX idempotency_key_created ON idempotency_key (created_at);

-- ---------------------------------------------------------------- clients
CREATE TABLE client (
  client_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  org_id text NOT NULL REFERENCES org ON DELETE CASCADE,
  user_id text REFERENCES "user" ON DELETE CASCADE,
  nice_id text NOT NULL,
  name text NOT NULL,
  type text NOT NULL DEFAULT 'olm' CHECK (type = 'olm'),
  olm_id text NOT NULL UNIQUE,
  secret_hash bytea NOT NULL,
  -- from the address pool that sites draw from too
  address inet NOT NULL,
  archived boolean NOT NULL DEFAULT false,
  blocked boolean NOT NULL DEFAULT false,
  approval_state text CHECK (approval_state IN ('pending', 'approved', 'denied')),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, nice_id),
  UNIQUE (org_id, address)
);
-- Machine clients and the devices of people are two lists.
CREATE INDEX client_machine ON client (org_id, name, client_id) WHERE user_id IS NULL;
CREATE INDEX client_device ON client (org_id, name, client_id) WHERE user_id IS NOT NULL;
CREATE INDEX client_archived ON client (org_id, name, client_id) WHERE archived;
CREATE INDEX client_blocked ON client (org_id, name, client_id) WHERE blocked;
CREATE INDEX client_approval ON client (org_id, approval_state, name, client_id) WHERE approval_state IS NOT NULL;
CREATE INDEX client_user ON client (user_id) WHERE user_id IS NOT NULL;
CREATE TRIGGER client_version BEFORE UPDATE ON client FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION next_version();

-- ---------------------------------------------------------------- domains
CREATE TABLE domain (
  domain_id text PRIMARY KEY,
  org_id text NOT NULL REFERENCES org ON DELETE CASCADE,
  base_domain text NOT NULL CHECK (base_domain = lower(base_domain)),
  type text NOT NULL CHECK (type IN ('ns', 'cname', 'wildcard')),
  -- from BASE_DOMAIN: every organization has it, nobody may delete it
  config_managed boolean NOT NULL DEFAULT false,
  verified boolean NOT NULL DEFAULT false,
  failed boolean NOT NULL DEFAULT false,
  tries int NOT NULL DEFAULT 0,
  next_try_at timestamptz,
  error_message text,
  cert_resolver text,
  prefer_wildcard_cert boolean,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, base_domain, type)
);
CREATE INDEX domain_list ON domain (org_id, base_domain, domain_id);
CREATE INDEX domain_due ON domain (next_try_at) WHERE NOT verified AND NOT failed;
-- A domain belongs to whoever proved it, once in the installation; BASE_DOMAIN is shared.
CREATE UNIQUE INDEX domain_verified ON domain (base_domain) WHERE verified AND NOT config_managed;
CREATE TRIGGER domain_version BEFORE UPDATE ON domain FOR EACH ROW
  WHEN ((OLD.verified, OLD.failed, OLD.cert_resolver, OLD.prefer_wildcard_cert) IS DISTINCT FROM (NEW.verified, NEW.failed, NEW.cert_resolver, NEW.prefer_wildcard_cert))
  EXECUTE FUNCTION next_version();
CREATE TABLE domain_record (
  record_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  domain_id text NOT NULL REFERENCES domain ON DELETE CASCADE,
  record_type text NOT NULL CHECK (record_type IN ('NS', 'CNAME', 'A', 'TXT')),
  base_domain text NOT NULL,
  value text NOT NULL,
  verified boolean NOT NULL DEFAULT false
);
CREATE INDEX domain_record_domain ON domain_record (domain_id);

-- ---------------------------------------------------------------- public resources
-- staged_by: made for a site that waits for approval: hidden and disabled until then, gone with the site when it is rejected.
-- staged_enabled: what "enabled" becomes on approval.
CREATE TABLE resource (
  resource_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  resource_guid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
  org_id text NOT NULL REFERENCES org ON DELETE CASCADE,
  nice_id text NOT NULL,
  name text NOT NULL,
  http boolean NOT NULL,
  protocol text NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  domain_id text REFERENCES domain ON DELETE SET NULL,
  subdomain text,
  full_domain text CHECK (full_domain = lower(full_domain)),
  wildcard boolean NOT NULL DEFAULT false,
  proxy_port int CHECK (proxy_port BETWEEN 1 AND 65535),
  ssl boolean NOT NULL DEFAULT false,
  sso boolean NOT NULL DEFAULT true,
  block_access boolean NOT NULL DEFAULT false,
  email_whitelist_enabled boolean NOT NULL DEFAULT false,
  apply_rules boolean NOT NULL DEFAULT false,
  enabled boolean NOT NULL DEFAULT true,
  sticky_session boolean NOT NULL DEFAULT false,
  tls_server_name text,
  set_host_header text,
  enable_proxy boolean NOT NULL DEFAULT true,
  skip_to_idp_id int,
  headers jsonb,
  proxy_protocol boolean NOT NULL DEFAULT false,
  proxy_protocol_version int NOT NULL DEFAULT 1,
  maintenance_mode_enabled boolean NOT NULL DEFAULT false,
  maintenance_mode_type text NOT NULL DEFAULT 'forced' CHECK (maintenance_mode_type IN ('forced', 'automatic')),
  maintenance_title text,
  maintenance_message text,
  maintenance_estimated_time text,
  post_auth_path text,
  health text NOT NULL DEFAULT 'unknown' CHECK (health IN ('healthy', 'unhealthy', 'degraded', 'unknown')),
  -- bcrypt
  password_hash text,
  pincode_hash text,
  header_auth_user text,
  header_auth_hash text,
  header_auth_extended boolean,
  staged_by bigint REFERENCES site ON DELETE CASCADE,
  staged_enabled boolean,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (http OR proxy_port IS NOT NULL),
  UNIQUE (org_id, nice_id)
);
-- One owner of a host name in the whole installation.
CREATE UNIQUE INDEX resource_full_domain ON resource (full_domain) WHERE full_domain IS NOT NULL;
CREATE UNIQUE INDEX resource_port ON resource (org_id, protocol, proxy_port) WHERE proxy_port IS NOT NULL;
CREATE INDEX resource_name ON resource (org_id, name, resource_id) WHERE staged_by IS NULL;
CREATE INDEX resource_enabled ON resource (org_id, enabled, name, resource_id) WHERE staged_by IS NULL;
CREATE INDEX resource_health ON resource (org_id, health, name, resource_id) WHERE staged_by IS NULL;
-- The list's filter authState; ResourceReads has the same expression.
CREATE INDEX resource_auth_state ON resource (org_id, (CASE WHEN NOT http THEN 'none' WHEN sso OR email_whitelist_enabled OR password_hash IS NOT NULL
  OR pincode_hash IS NOT NULL OR header_auth_hash IS NOT NULL THEN 'protected' ELSE 'not_protected' END), name, resource_id) WHERE staged_by IS NULL;
CREATE INDEX resource_domain ON resource (domain_id) WHERE domain_id IS NOT NULL;
CREATE INDEX resource_staged ON resource (staged_by) WHERE staged_by IS NOT NULL;
CREATE TRIGGER resource_version BEFORE UPDATE ON resource FOR EACH ROW
  WHEN ((to_jsonb(OLD) - 'health') IS DISTINCT FROM (to_jsonb(NEW) - 'health')) EXECUTE FUNCTION next_version();

CREATE TABLE target (
  target_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  org_id text NOT NULL,
  resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
  site_id bigint NOT NULL REFERENCES site ON DELETE CASCADE,
  ip text NOT NULL,
  port int NOT NULL CHECK (port BETWEEN 1 AND 65535),
  method text,
  -- where a newt listens for it; unique at its site
  internal_port int CHECK (internal_port BETWEEN 40000 AND 65534),
  enabled boolean NOT NULL DEFAULT true,
  path text,
  path_match_type text CHECK (path_match_type IN ('exact', 'prefix', 'regex')),
  rewrite_path text,
  rewrite_path_type text CHECK (rewrite_path_type IN ('exact', 'prefix', 'regex', 'stripPrefix')),
  priority int NOT NULL DEFAULT 100 CHECK (priority BETWEEN 1 AND 1000),
  hc_enabled boolean NOT NULL DEFAULT false,
  hc_path text,
  hc_scheme text,
  hc_mode text,
  hc_hostname text,
  hc_port int,
  hc_interval int,
  hc_unhealthy_interval int,
  hc_timeout int,
  hc_headers jsonb,
  hc_follow_redirects boolean,
  hc_method text,
  hc_status int,
  hc_tls_server_name text,
  hc_healthy_threshold int,
  hc_unhealthy_threshold int,
  hc_health text NOT NULL DEFAULT 'unknown' CHECK (hc_health IN ('unknown', 'healthy', 'unhealthy')),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX target_resource ON target (resource_id, target_id);
CREATE INDEX target_site ON target (site_id, resource_id);
CREATE UNIQUE INDEX target_internal_port ON target (site_id, internal_port) WHERE internal_port IS NOT NULL;
CREATE TRIGGER target_version BEFORE UPDATE ON target FOR EACH ROW
  WHEN ((to_jsonb(OLD) - 'hc_health') IS DISTINCT FROM (to_jsonb(NEW) - 'hc_health')) EXECUTE FUNCTION next_version();

CREATE TABLE resource_rule (
  rule_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  org_id text NOT NULL,
  resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
  action text NOT NULL CHECK (action IN ('ACCEPT', 'DROP', 'PASS')),
  match text NOT NULL CHECK (match IN ('CIDR', 'IP', 'PATH', 'COUNTRY', 'ASN', 'REGION')),
  value text NOT NULL,
  priority int NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  version bigint NOT NULL DEFAULT 1
);
CREATE INDEX resource_rule_order ON resource_rule (resource_id, priority, rule_id);
CREATE TRIGGER resource_rule_version BEFORE UPDATE ON resource_rule FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION next_version();

-- Who may pass: the Admin role always may and has no row.
CREATE TABLE resource_role (
  resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
  role_id bigint NOT NULL REFERENCES role ON DELETE CASCADE,
  PRIMARY KEY (resource_id, role_id)
);
CREATE INDEX resource_role_role ON resource_role (role_id);
CREATE TABLE resource_user (
  org_id text NOT NULL,
  resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
  user_id text NOT NULL,
  PRIMARY KEY (resource_id, user_id),
  FOREIGN KEY (org_id, user_id) REFERENCES membership ON DELETE CASCADE
);
CREATE INDEX resource_user_user ON resource_user (org_id, user_id);
CREATE TABLE resource_whitelist (
  resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
  email text NOT NULL CHECK (email = lower(email)),
  -- as the caller ordered them
  position int NOT NULL DEFAULT 0,
  PRIMARY KEY (resource_id, email)
);
CREATE TABLE access_token (
  access_token_id text PRIMARY KEY,
  org_id text NOT NULL REFERENCES org ON DELETE CASCADE,
  resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
  token_hash bytea NOT NULL,
  session_length_ms bigint NOT NULL,
  expires_at timestamptz,
  title text,
  description text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX access_token_org ON access_token (org_id, created_at, access_token_id);
CREATE INDEX access_token_resource ON access_token (resource_id, created_at, access_token_id);
CREATE INDEX access_token_expiry ON access_token (expires_at) WHERE expires_at IS NOT NULL;

-- ---------------------------------------------------------------- private resources
CREATE TABLE site_resource (
  site_resource_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  org_id text NOT NULL REFERENCES org ON DELETE CASCADE,
  nice_id text NOT NULL,
  name text NOT NULL,
  mode text NOT NULL CHECK (mode IN ('host', 'cidr', 'http')),
  destination text NOT NULL,
  destination_port int CHECK (destination_port BETWEEN 1 AND 65535),
  scheme text CHECK (scheme IN ('http', 'https')),
  ssl boolean NOT NULL DEFAULT false,
  proxy_port int CHECK (proxy_port BETWEEN 1 AND 65535),
  enabled boolean NOT NULL DEFAULT true,
  alias text,
  -- in the organization's utility subnet
  alias_address inet,
  tcp_ports text NOT NULL DEFAULT '*',
  udp_ports text NOT NULL DEFAULT '*',
  disable_icmp boolean NOT NULL DEFAULT false,
  auth_daemon_port int NOT NULL DEFAULT 22123,
  auth_daemon_mode text NOT NULL DEFAULT 'site' CHECK (auth_daemon_mode IN ('site', 'remote')),
  domain_id text REFERENCES domain ON DELETE SET NULL,
  subdomain text,
  full_domain text,
  staged_by bigint REFERENCES site ON DELETE CASCADE,
  staged_enabled boolean,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, nice_id)
);
CREATE UNIQUE INDEX site_resource_alias ON site_resource (org_id, lower(alias)) WHERE alias IS NOT NULL;
CREATE UNIQUE INDEX site_resource_alias_address ON site_resource (org_id, alias_address) WHERE alias_address IS NOT NULL;
CREATE UNIQUE INDEX site_resource_full_domain ON site_resource (org_id, full_domain) WHERE full_domain IS NOT NULL;
CREATE INDEX site_resource_name ON site_resource (org_id, name, site_resource_id) WHERE staged_by IS NULL;
CREATE INDEX site_resource_mode ON site_resource (org_id, mode, name, site_resource_id) WHERE staged_by IS NULL;
CREATE INDEX site_resource_domain ON site_resource (domain_id) WHERE domain_id IS NOT NULL;
CREATE INDEX site_resource_staged ON site_resource (staged_by) WHERE staged_by IS NOT NULL;
CREATE TRIGGER site_resource_version BEFORE UPDATE ON site_resource FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION next_version();
CREATE TABLE site_resource_site (
  site_resource_id bigint NOT NULL REFERENCES site_resource ON DELETE CASCADE,
  site_id bigint NOT NULL REFERENCES site ON DELETE CASCADE,
  -- as the caller ordered them
  position int NOT NULL DEFAULT 0,
  PRIMARY KEY (site_resource_id, site_id)
);
CREATE INDEX site_resource_site_site ON site_resource_site (site_id, site_resource_id);
-- The next alias address: after the highest one, behind a reserved /29; the lowest free one when the end was reached; NULL when all are taken.
-- Callers pass by the addresses that others hold until their transactions end, and never wait. Volatile: each statement of it sees what
-- others committed, which is why the look comes after the lock and not beside it.
CREATE FUNCTION next_alias_address(org text) RETURNS inet LANGUAGE plpgsql AS $$
DECLARE low inet; high inet; candidate inet; room int := hashtext('site_resource/alias_address/' || org);
BEGIN
  SELECT set_masklen(network(o.utility_subnet)::inet, 32) + 7, set_masklen(broadcast(o.utility_subnet), 32) INTO low, high FROM org o WHERE o.org_id = org;
  SELECT r.alias_address INTO candidate FROM site_resource r WHERE r.org_id = org AND r.alias_address IS NOT NULL ORDER BY r.alias_address DESC LIMIT 1;
  candidate := coalesce(candidate, low);
  WHILE candidate < high LOOP
    candidate := candidate + 1;
    IF pg_try_advisory_xact_lock(room, (candidate - low)::int) THEN
      IF NOT EXISTS (SELECT FROM site_resource r WHERE r.org_id = org AND r.alias_address = candidate) THEN RETURN candidate; END IF;
    END IF;
  END LOOP;
  FOR candidate IN
    SELECT low + i FROM generate_series(1, high - low) AS i WHERE NOT EXISTS (SELECT FROM site_resource r WHERE r.org_id = org AND r.alias_address = low + i) ORDER BY i
  LOOP
    IF pg_try_advisory_xact_lock(room, (candidate - low)::int) THEN
      IF NOT EXISTS (SELECT FROM site_resource r WHERE r.org_id = org AND r.alias_address = candidate) THEN RETURN candidate; END IF;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
CREATE TABLE site_resource_role (
  site_resource_id bigint NOT NULL REFERENCES site_resource ON DELETE CASCADE,
  role_id bigint NOT NULL REFERENCES role ON DELETE CASCADE,
  PRIMARY KEY (site_resource_id, role_id)
);
CREATE INDEX site_resource_role_role ON site_resource_role (role_id);
CREATE TABLE site_resource_user (
  org_id text NOT NULL,
  site_resource_id bigint NOT NULL REFERENCES site_resource ON DELETE CASCADE,
  user_id text NOT NULL,
  PRIMARY KEY (site_resource_id, user_id),
  FOREIGN KEY (org_id, user_id) REFERENCES membership ON DELETE CASCADE
);
CREATE INDEX site_resource_user_user ON site_resource_user (org_id, user_id);
CREATE TABLE site_resource_client (
  site_resource_id bigint NOT NULL REFERENCES site_resource ON DELETE CASCADE,
  client_id bigint NOT NULL REFERENCES client ON DELETE CASCADE,
  PRIMARY KEY (site_resource_id, client_id)
);
CREATE INDEX site_resource_client_client ON site_resource_client (client_id);

-- ---------------------------------------------------------------- read models and totals
-- resourceCount of a site: public resources with a target there, and private ones on it.
CREATE VIEW site_resource_total AS
  SELECT s.site_id, (SELECT count(DISTINCT t.resource_id) FROM target t WHERE t.site_id = s.site_id)
    + (SELECT count(*) FROM site_resource_site m WHERE m.site_id = s.site_id) AS n
  FROM site s;

-- The sites that a machine client reaches through what it was granted.
CREATE VIEW client_site AS
  SELECT DISTINCT g.client_id, s.site_id, s.name, s.nice_id
  FROM site_resource_client g JOIN site_resource_site m USING (site_resource_id) JOIN site s ON s.site_id = m.site_id;

-- Totals of resources without counting, like those of sites; staged ones are not in the lists and not counted.
CREATE TABLE resource_count (
  org_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('public', 'private')),
  lane smallint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (org_id, kind, lane)
) WITH (fillfactor = 50);
CREATE FUNCTION resource_count_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO resource_count AS c (org_id, kind, lane, n)
    SELECT org_id, TG_ARGV[0], pg_backend_pid() % 16, count(*) FROM added WHERE staged_by IS NULL GROUP BY org_id ORDER BY org_id
    ON CONFLICT (org_id, kind, lane) DO UPDATE SET n = c.n + excluded.n;
  RETURN NULL;
END $$;
CREATE FUNCTION resource_count_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO resource_count AS c (org_id, kind, lane, n)
    SELECT org_id, TG_ARGV[0], pg_backend_pid() % 16, -count(*) FROM removed WHERE staged_by IS NULL GROUP BY org_id ORDER BY org_id
    ON CONFLICT (org_id, kind, lane) DO UPDATE SET n = c.n + excluded.n;
  RETURN NULL;
END $$;
CREATE FUNCTION resource_count_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO resource_count AS c (org_id, kind, lane, n)
    SELECT org_id, TG_ARGV[0], pg_backend_pid() % 16, sum(n) FROM (
      SELECT org_id, 1 AS n FROM added WHERE staged_by IS NULL UNION ALL SELECT org_id, -1 FROM removed WHERE staged_by IS NULL
    ) d GROUP BY org_id HAVING sum(n) <> 0 ORDER BY org_id
    ON CONFLICT (org_id, kind, lane) DO UPDATE SET n = c.n + excluded.n;
  RETURN NULL;
END $$;
CREATE TRIGGER resource_counted_insert AFTER INSERT ON resource REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION resource_count_insert('public');
CREATE TRIGGER resource_counted_delete AFTER DELETE ON resource REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION resource_count_delete('public');
CREATE TRIGGER resource_counted_update AFTER UPDATE ON resource REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION resource_count_update('public');
CREATE TRIGGER site_resource_counted_insert AFTER INSERT ON site_resource REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION resource_count_insert('private');
CREATE TRIGGER site_resource_counted_delete AFTER DELETE ON site_resource REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION resource_count_delete('private');
CREATE TRIGGER site_resource_counted_update AFTER UPDATE ON site_resource REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION resource_count_update('private');

-- Substring search. Where the extension may not be made, searches scan.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX user_search ON "user" USING gin (username gin_trgm_ops, email gin_trgm_ops, name gin_trgm_ops);
  CREATE INDEX site_search ON site USING gin (name gin_trgm_ops, nice_id gin_trgm_ops);
  CREATE INDEX resource_search ON resource USING gin (name gin_trgm_ops, nice_id gin_trgm_ops, full_domain gin_trgm_ops);
  CREATE INDEX site_resource_search ON site_resource USING gin (name gin_trgm_ops, nice_id gin_trgm_ops, destination gin_trgm_ops, alias gin_trgm_ops,
    (host(alias_address)) gin_trgm_ops);
  CREATE INDEX client_search ON client USING gin (name gin_trgm_ops, nice_id gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
  RAISE NOTICE 'pg_trgm is not available; substring searches scan';
END $$;
`;

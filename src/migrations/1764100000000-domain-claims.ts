import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who a name belongs to, in the whole installation (docs/adr/0019). */
export class DomainClaims1764100000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
    await runner.query(CONFLICTS);
    await runner.query(TRIGGERS);
  }

  async down(): Promise<void> {
    throw new Error('The claims of domains have no way back; restore a backup instead');
  }
}

const SCHEMA = `
-- A claim is proven when DNS says so: ns and cname. A wildcard counts at once, without a proof. BASE_DOMAIN is shared and no claim.
DROP INDEX domain_verified;
CREATE UNIQUE INDEX domain_proven ON domain (base_domain) WHERE verified AND type <> 'wildcard' AND NOT config_managed;
CREATE UNIQUE INDEX domain_unproven ON domain (base_domain) WHERE verified AND type = 'wildcard' AND NOT config_managed;
CREATE INDEX domain_holding ON domain (base_domain, config_managed) WHERE config_managed OR (verified AND type <> 'wildcard');
-- Finds what lies below a name.
CREATE INDEX domain_below ON domain ((reverse(base_domain) COLLATE "C")) WHERE verified AND NOT config_managed;

-- a.b.c: {a.b.c, b.c, c}
CREATE FUNCTION names_above(name text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT array_agg(array_to_string(l[i:], '.') ORDER BY i) FROM string_to_array($1, '.') AS l, generate_series(1, array_length(l, 1)) AS i
$$;

-- Whose a name is: that of the nearest proof at it or above, nobody's on a shared domain, and nobody's without either.
CREATE FUNCTION domain_holder(name text, OUT org text, OUT shared boolean) LANGUAGE plpgsql STABLE AS $$
DECLARE rest text := name;
BEGIN
  LOOP
    SELECT CASE WHEN NOT d.config_managed THEN d.org_id END, d.config_managed INTO org, shared FROM domain d
    WHERE d.base_domain = rest AND (d.config_managed OR (d.verified AND d.type <> 'wildcard')) ORDER BY d.config_managed DESC LIMIT 1;
    EXIT WHEN FOUND OR position('.' IN rest) = 0;
    rest := substr(rest, position('.' IN rest) + 1);
  END LOOP;
END $$;

-- Claims of others that count, strictly below a name.
CREATE FUNCTION domains_below(org text, name text) RETURNS SETOF domain LANGUAGE sql STABLE AS $$
  SELECT * FROM domain WHERE verified AND NOT config_managed AND org_id <> $1
    AND reverse(base_domain) COLLATE "C" >= reverse($2) || '.' AND reverse(base_domain) COLLATE "C" < reverse($2) || '/'
$$;

-- What stands against a claim without a proof: 'same', 'around' or 'shared'; NULL: nothing, or the organization has a proof behind it.
CREATE FUNCTION unproven_conflict(org text, name text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN h.org = $1 THEN NULL
    WHEN h.shared THEN 'shared'
    WHEN EXISTS (SELECT FROM domain d WHERE d.verified AND NOT d.config_managed AND d.org_id <> $1 AND d.base_domain = $2) THEN 'same'
    WHEN h.org IS NOT NULL OR EXISTS (SELECT FROM domains_below($1, $2))
      OR EXISTS (SELECT FROM domain d WHERE d.verified AND NOT d.config_managed AND d.org_id <> $1 AND d.base_domain = ANY (names_above($2)) AND d.type = 'wildcard') THEN 'around'
  END FROM domain_holder($2) AS h
$$;
`;

/** Of claims that 0.1.0 let stand beside each other a proof stays, else the older one. Names on the other stay, and its organization is told. */
const CONFLICTS = `
DO $$
DECLARE claim domain; holder record; proven boolean; reason text;
BEGIN
  FOR claim IN SELECT * FROM domain WHERE verified AND type = 'wildcard' AND NOT config_managed ORDER BY created_at, domain_id LOOP
    SELECT * INTO holder FROM domain_holder(claim.base_domain);
    -- A proof of its own stands behind it; on a shared domain it never kept anybody from anything.
    CONTINUE WHEN holder.org = claim.org_id OR holder.shared;
    proven := holder.org IS NOT NULL OR EXISTS (SELECT FROM domains_below(claim.org_id, claim.base_domain) WHERE type <> 'wildcard');
    CONTINUE WHEN NOT proven AND NOT EXISTS (
      SELECT FROM domain o WHERE o.verified AND NOT o.config_managed AND o.type = 'wildcard' AND o.org_id <> claim.org_id
        AND (o.created_at, o.domain_id) < (claim.created_at, claim.domain_id)
        AND (o.base_domain = ANY (names_above(claim.base_domain)) OR claim.base_domain = ANY (names_above(o.base_domain))));
    reason := 'Another organization has ' || CASE WHEN proven THEN 'proven' ELSE 'claimed' END || ' this domain, or one above or below it' || CASE WHEN proven THEN '' ELSE ', before this one' END;
    UPDATE domain SET verified = false, failed = true, error_message = reason WHERE domain_id = claim.domain_id;
    INSERT INTO audit (org_id, actor_type, actor_id, action, target_type, target_id, result, details) VALUES
      (claim.org_id, 'system', 'upgrade', 'domain.unverify', 'domain', claim.domain_id, 'success', jsonb_build_object('baseDomain', claim.base_domain, 'reason', reason));
    INSERT INTO event (org_id, type, data) VALUES
      (claim.org_id, 'domain.unverified', jsonb_build_object('domainId', claim.domain_id, 'baseDomain', claim.base_domain, 'reason', reason));
  END LOOP;
END $$;
`;

const TRIGGERS = `
-- Claims are decided on one after another, on all servers.
CREATE FUNCTION lock_claims() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(hashtextextended('domain claims', 7241)) $$;

CREATE FUNCTION domain_claimed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE against text;
BEGIN
  PERFORM lock_claims();
  IF NEW.type = 'wildcard' THEN
    against := unproven_conflict(NEW.org_id, NEW.base_domain);
  ELSIF EXISTS (SELECT FROM domain WHERE config_managed AND base_domain = NEW.base_domain) THEN
    against := 'shared';
  END IF;
  IF against IS NOT NULL THEN
    RAISE EXCEPTION 'claim of the domain % is refused', NEW.base_domain USING ERRCODE = 'check_violation', CONSTRAINT = 'domain_claim_' || against;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER domain_claimed_insert BEFORE INSERT ON domain FOR EACH ROW WHEN (NEW.verified AND NOT NEW.config_managed) EXECUTE FUNCTION domain_claimed();
CREATE TRIGGER domain_claimed_update BEFORE UPDATE OF verified ON domain FOR EACH ROW WHEN (NEW.verified AND NOT OLD.verified AND NOT NEW.config_managed)
  EXECUTE FUNCTION domain_claimed();

-- A proof takes the name from those who held it, or one above or below, without one. Their names stay.
CREATE FUNCTION domain_now_proven() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE domain SET verified = false, failed = true, error_message = 'Another organization has proven this domain, or one above or below it'
  WHERE domain_id IN (
    SELECT domain_id FROM domain WHERE verified AND NOT config_managed AND org_id <> NEW.org_id AND base_domain = ANY (names_above(NEW.base_domain))
    UNION ALL SELECT domain_id FROM domains_below(NEW.org_id, NEW.base_domain)
  ) AND type = 'wildcard' AND unproven_conflict(org_id, base_domain) IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER domain_now_proven_insert AFTER INSERT ON domain FOR EACH ROW WHEN (NEW.verified AND NEW.type <> 'wildcard' AND NOT NEW.config_managed)
  EXECUTE FUNCTION domain_now_proven();
CREATE TRIGGER domain_now_proven_update AFTER UPDATE OF verified ON domain FOR EACH ROW
  WHEN (NEW.verified AND NOT OLD.verified AND NEW.type <> 'wildcard' AND NOT NEW.config_managed) EXECUTE FUNCTION domain_now_proven();

-- Whether a name, or one that a wildcard covers, belongs to another organization: "*" stands for one label.
CREATE FUNCTION name_held(org text, full_domain text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE wildcard boolean := starts_with(full_domain, '*.'); bare text := CASE WHEN wildcard THEN substr(full_domain, 3) ELSE full_domain END;
BEGIN
  RETURN coalesce((domain_holder(bare)).org <> org, false)
    OR (wildcard AND EXISTS (SELECT FROM domains_below(org, bare) WHERE type <> 'wildcard' AND base_domain NOT LIKE '%.%.' || bare));
END $$;

-- A new name of a resource: on a domain that counts, and not in what another organization has proven. A name that is there stays.
CREATE FUNCTION resource_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.full_domain IS NOT DISTINCT FROM OLD.full_domain THEN RETURN NEW; END IF;
  IF EXISTS (SELECT FROM domain WHERE domain_id = NEW.domain_id AND NOT verified) THEN
    RAISE EXCEPTION 'the domain % is not verified', NEW.domain_id USING ERRCODE = 'check_violation', CONSTRAINT = 'resource_domain_verified';
  END IF;
  IF name_held(NEW.org_id, NEW.full_domain) THEN
    RAISE EXCEPTION 'the name % belongs to another organization', NEW.full_domain USING ERRCODE = 'check_violation', CONSTRAINT = 'resource_name_held';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER resource_named BEFORE INSERT OR UPDATE OF full_domain ON resource FOR EACH ROW WHEN (NEW.full_domain IS NOT NULL) EXECUTE FUNCTION resource_named();
CREATE TRIGGER site_resource_named BEFORE INSERT OR UPDATE OF full_domain ON site_resource FOR EACH ROW WHEN (NEW.full_domain IS NOT NULL) EXECUTE FUNCTION resource_named();
`;

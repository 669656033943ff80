import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The look-up of devices that a claim may know, planned once per connection instead of anew for each batch of claims. */
export class KnownSites1764650000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION known_sites; DROP VIEW known_site');
  }
}

// A re-issue: at most 20 in the 24 hours after the first claim (docs/claims.md rule 5).
const SCHEMA = `
-- Read model of claims: a site as far as a re-claim needs it.
CREATE VIEW known_site AS
  SELECT s.site_id, s.org_id, s.device_id, s.hardware_id, w.nonce_hash, s.key_id, s.claim_id, s.revoked_at IS NOT NULL AS revoked,
    coalesce(w.closed_at IS NULL AND w.opened_at > now() - interval '24 hours' AND w.reissues < 20, false) AS window_open,
    w.authenticated_at IS NOT NULL AS authenticated, coalesce(s.reclaim_allowed_until > now(), false) AS armed, c.newt_id, c.kind AS credential_kind
  FROM site s LEFT JOIN LATERAL (SELECT * FROM claim_window w WHERE w.site_id = s.site_id OFFSET 0) w ON true LEFT JOIN LATERAL (
    SELECT newt_id, kind FROM site_credential c WHERE c.site_id = s.site_id AND c.revoked_at IS NULL ORDER BY credential_id DESC LIMIT 1) c ON true;

-- A plan that is kept may stem from when the tables were small. The settings and the fences (OFFSET 0) leave one plan only: by the index of
-- what a device is known by, one device after the other.
CREATE FUNCTION known_sites(org text, hardware_ids text[], nonce_hashes bytea[]) RETURNS SETOF known_site LANGUAGE plpgsql STABLE
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY SELECT k.* FROM unnest(hardware_ids) AS h(id)
    CROSS JOIN LATERAL (SELECT * FROM known_site s WHERE s.hardware_id = h.id OFFSET 0) k WHERE k.org_id = org;
  IF cardinality(nonce_hashes) > 0 THEN
    RETURN QUERY SELECT k.* FROM unnest(nonce_hashes) AS n(hash)
      CROSS JOIN LATERAL (
        SELECT * FROM known_site s
        WHERE s.site_id = (SELECT o.site_id FROM claim_window o WHERE o.nonce_hash = n.hash AND o.org_id = org AND o.by_nonce) OFFSET 0) k
      WHERE k.org_id = org;
  END IF;
END $$;
`;

// Large organizations by SQL, as claims would have left them.
import { randomBytes } from 'node:crypto';

const BATCH = 20_000;

/** Sites with newt credentials, the labels and the group of `organization`, addresses from the far end of its pool. */
export async function seedSites(server, { orgId, groupId }, count) {
  const [{ cidr }] = await server.sql('SELECT cidr::text AS cidr FROM address_range WHERE org_id = $1', [orgId]);
  // The last free run gives its upper part away.
  const [{ first }] = await server.sql(
    `UPDATE address_run SET last = last - $2::bigint WHERE run_id = (SELECT run_id FROM address_run WHERE org_id = $1 ORDER BY last DESC LIMIT 1) RETURNING host(last + 1) AS first`,
    [orgId, count],
  );
  for (let from = 0; from < count; from += BATCH) {
    await server.sql(
      `WITH made AS (
         INSERT INTO site (org_id, nice_id, name, status, hardware_id, address, labels)
         SELECT $1, 'seeded-' || i, 'Seeded ' || i, CASE WHEN i % 10 = 0 THEN 'pending' ELSE 'approved' END, gen_random_uuid()::text,
           set_masklen($2::inet + i, masklen($3::cidr)), '{"region":"north","tier":"edge"}'
         FROM generate_series($4::bigint, $5::bigint) AS i RETURNING site_id),
       opened AS (
         INSERT INTO claim_window (site_id, org_id, nonce_hash, opened_at, authenticated_at, closed_at)
         SELECT site_id, $1, sha256(site_id::text::bytea), now(), now(), now() FROM made),
       member AS (INSERT INTO site_group_member (group_id, site_id) SELECT $6, site_id FROM made)
       SELECT count(*) FROM made`,
      [orgId, first, cidr, from, Math.min(from + BATCH, count) - 1, groupId],
    );
  }
  await server.sql('VACUUM ANALYZE');
  await server.sql('CHECKPOINT');
}

/** Gives `count` sites of the organization newt credentials. @returns their ids and secrets. */
export async function seedNewts(server, orgId, count) {
  const newts = Array.from({ length: count }, (_, i) => ({
    newtId: `newt${String(i).padStart(11, '0')}`,
    secret: randomBytes(24).toString('hex'),
  }));
  const made = await server.sql(
    `INSERT INTO site_credential (site_id, org_id, kind, newt_id, secret_hash)
     SELECT s.site_id, $1, 'newt', n.newt_id, sha256(n.secret::bytea)
     FROM (SELECT site_id, row_number() OVER (ORDER BY site_id) AS place FROM site WHERE org_id = $1 AND status = 'approved' LIMIT $4) s
     JOIN unnest($2::text[], $3::text[]) WITH ORDINALITY AS n(newt_id, secret, place) USING (place) RETURNING 1`,
    [orgId, newts.map((n) => n.newtId), newts.map((n) => n.secret), count],
  );
  if (made.length !== count) throw new Error(`Only ${made.length} of ${count} sites were there for credentials`);
  await server.sql('VACUUM ANALYZE site_credential');
  return newts;
}

/** Public resources of http on the domain, each with one target, and as many private ones, spread over the organization's approved sites. */
export async function seedResources(server, { orgId }, { domainId, baseDomain }, count) {
  const places = `place AS (SELECT row_number() OVER () - 1 AS n, site_id FROM site WHERE org_id = $1 AND status = 'approved')`;
  const [{ approved }] = await server.sql(
    `SELECT count(*) AS approved FROM site WHERE org_id = $1 AND status = 'approved'`,
    [orgId],
  );
  for (let from = 0; from < count; from += BATCH) {
    const range = [orgId, from, Math.min(from + BATCH, count) - 1];
    await server.sql(
      `WITH ${places},
       made AS (
         INSERT INTO resource (org_id, nice_id, name, http, protocol, domain_id, subdomain, full_domain, ssl, sso, enabled)
         SELECT $1, 'seeded-' || i, 'Seeded ' || i, true, 'tcp', $4, 'seeded-' || i, 'seeded-' || i || '.' || $5, true, i % 3 > 0, i % 7 > 0
         FROM generate_series($2::bigint, $3::bigint) AS i RETURNING resource_id)
       INSERT INTO target (org_id, resource_id, site_id, internal_port, ip, port, method)
       SELECT $1, resource_id, site_id, 40000 + resource_id % 25000, '10.0.0.7', 8080, 'http' FROM made JOIN place ON n = resource_id % $6`,
      [...range, domainId, baseDomain, Number(approved)],
    );
    await server.sql(
      `WITH ${places},
       made AS (
         INSERT INTO site_resource (org_id, nice_id, name, mode, destination, alias)
         SELECT $1, 'private-' || i, 'Private ' || i, 'host', '192.168.' || i / 250 % 250 || '.' || i % 250, 'private-' || i || '.internal'
         FROM generate_series($2::bigint, $3::bigint) AS i RETURNING site_resource_id)
       INSERT INTO site_resource_site (site_resource_id, site_id) SELECT site_resource_id, site_id FROM made JOIN place ON n = site_resource_id % $4`,
      [...range, Number(approved)],
    );
  }
  await server.sql('VACUUM ANALYZE');
  await server.sql('CHECKPOINT');
}

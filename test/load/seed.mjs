// Large organizations by SQL, as claims would have left them.

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
         INSERT INTO site (org_id, nice_id, name, status, hardware_id, address, labels, nonce_hash, nonce_opened_at, authenticated_at, nonce_closed_at)
         SELECT $1, 'seeded-' || i, 'Seeded ' || i, CASE WHEN i % 10 = 0 THEN 'pending' ELSE 'approved' END, gen_random_uuid()::text,
           set_masklen($2::inet + i, masklen($3::cidr)), '{"region":"north","tier":"edge"}', sha256(i::text::bytea), now(), now(), now()
         FROM generate_series($4::bigint, $5::bigint) AS i RETURNING site_id),
       member AS (INSERT INTO site_group_member (group_id, site_id) SELECT $6, site_id FROM made)
       SELECT count(*) FROM made`,
      [orgId, first, cidr, from, Math.min(from + BATCH, count) - 1, groupId],
    );
  }
  await server.sql('VACUUM ANALYZE');
  await server.sql('CHECKPOINT');
}

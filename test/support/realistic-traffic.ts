type Sql = (text: string, values: unknown[]) => Promise<object[]>;

/** What only time brings: sites that were online, requests and logins on public resources. */
export async function addTraffic(sql: Sql, orgId: string): Promise<void> {
  await sql(
    `INSERT INTO online_sample (org_uid, at, n)
     SELECT org_uid, date_trunc('hour', now()) - i * interval '15 minutes', 118 + (i * 7919 % 11) - CASE WHEN i BETWEEN 40 AND 52 THEN 30 ELSE 0 END
     FROM org, generate_series(1, 672) i WHERE org_id = $1 ON CONFLICT DO NOTHING`,
    [orgId],
  );
  const from = `FROM org o, generate_series(1, 240) i,
    LATERAL (SELECT array_agg(resource_id ORDER BY resource_id) AS ids, array_agg(full_domain ORDER BY resource_id) AS names FROM resource WHERE org_id = $1 AND http) r,
    LATERAL (SELECT i * 7919 % cardinality(r.ids) + 1 AS one) n WHERE o.org_id = $1`;
  const who = `CASE WHEN i % 3 = 0 THEN 'u' || i % 5 END, CASE WHEN i % 3 = 0 THEN 'anna.schmidt-' || i % 5 || '@nordwerk.example.com' END`;
  await sql(
    `INSERT INTO request_log (org_uid, at, request_id, resource_id, host, scheme, method, path, query, status, code, allowed, reason, authentication, bytes_in, bytes_out,
       duration_ms, address, user_id, user_name, user_agent, tls, country)
     SELECT o.org_uid, now() - i * i * interval '9 seconds', gen_random_uuid(), r.ids[n.one], coalesce(r.names[n.one], 'app.example.com'), 'https', (ARRAY['GET', 'POST', 'HEAD'])[1 + i % 3],
       (ARRAY['/', '/api/v2/stations/nord/platforms/17/displays', '/assets/index.js'])[1 + i % 3], CASE WHEN i % 4 = 0 THEN 'page=*&token=*' END,
       CASE WHEN i % 11 = 0 THEN 502 WHEN i % 7 = 0 THEN 401 ELSE 200 END, CASE WHEN i % 11 = 0 THEN 'bad_gateway' WHEN i % 7 = 0 THEN 'unauthenticated' END,
       i % 11 = 0 OR i % 7 <> 0, CASE WHEN i % 11 <> 0 AND i % 7 = 0 THEN 204 WHEN i % 3 = 0 THEN 107 ELSE 101 END, CASE WHEN i % 3 = 0 THEN 'sso' ELSE 'none' END,
       i % 3 * 1200, i * 977, 3 + i % 250, ('2001:db8:7::' || i % 40)::inet, ${who}, 'Mozilla/5.0 (X11; Linux x86_64)', true, (ARRAY['DE', 'AT', NULL])[1 + i % 3] ${from}`,
    [orgId],
  );
  await sql(
    `INSERT INTO access_log (org_uid, at, request_id, resource_id, type, allowed, user_id, user_name, address, user_agent, country)
     SELECT o.org_uid, now() - i * i * interval '9 seconds', gen_random_uuid(), r.ids[n.one], (ARRAY['sso', 'password', 'pincode', 'whitelist'])[1 + i % 4], i % 5 <> 0,
       ${who}, ('2001:db8:7::' || i % 40)::inet, 'Mozilla/5.0 (X11; Linux x86_64)', 'DE' ${from}`,
    [orgId],
  );
}

import { expect, it } from 'vitest';
import { migrate } from '#platform';
import { MIGRATIONS } from '../../src/schema.js';
import { createEmptyDatabase, queryDatabase } from '../support/database.js';

it('the migration brings what the API stored into the form that it stores now, and tells of rules that match nobody', async () => {
  const database = await createEmptyDatabase();
  const sql = <Row extends object>(text: string, values: unknown[] = []) =>
    queryDatabase<Row>(database.url, text, values);
  try {
    await migrate(
      database.url,
      MIGRATIONS.filter((migration) => Number(/\d+$/.exec(migration.name)![0]) < 1764630000000),
    );
    await sql(
      `INSERT INTO org (org_id, name, subnet, utility_subnet) VALUES ('a', 'a', '100.90.128.0/17', '100.96.128.0/20')`,
    );
    await sql(`INSERT INTO site (site_id, org_id, nice_id, name, status) VALUES (1, 'a', 's', 's', 'approved')`);
    await sql(
      `INSERT INTO resource (resource_id, org_id, nice_id, name, http, protocol, proxy_port, set_host_header, tls_server_name, headers, maintenance_title, proxy_protocol, proxy_protocol_version)
       VALUES (1, 'a', 'web', 'Web', true, 'tcp', NULL, '', '', '[]', '', false, 1), (2, 'a', 'udp', 'Udp', false, 'udp', 1, NULL, NULL, NULL, NULL, true, 3),
         (3, 'a', 'tcp', 'Tcp', false, 'tcp', 1, NULL, NULL, NULL, 'Kept', true, 7)`,
    );
    await sql(
      `INSERT INTO target (target_id, org_id, resource_id, site_id, ip, port, path, rewrite_path_type, hc_scheme, hc_headers)
       VALUES (1, 'a', 1, 1, 'a', 80, '', 'stripPrefix', '', '[]'), (2, 'a', 1, 1, 'b', 80, '/x', NULL, 'https', '[{"name":"X","value":""}]')`,
    );
    await sql(
      `INSERT INTO site_resource (site_resource_id, org_id, nice_id, name, mode, destination, alias, tcp_ports, udp_ports)
       VALUES (1, 'a', 'db', 'Db', 'host', 'nas', 'NAS.lan', '80, 443', '*')`,
    );
    const values = [
      'COUNTRY de',
      'COUNTRY XX',
      'COUNTRY all',
      'ASN as064500',
      'ASN AS0',
      'CIDR 10.0.0.0/08',
      'PATH /a',
    ];
    for (const [i, one] of values.entries())
      await sql(
        `INSERT INTO resource_rule (rule_id, org_id, resource_id, action, match, value, priority) VALUES ($1::bigint, 'a', 1, 'DROP', $2, $3, $1::int)`,
        [i + 1, ...one.split(' ')],
      );
    await migrate(database.url, MIGRATIONS);
    expect(
      await sql(
        `SELECT set_host_header AS host, tls_server_name AS tls, headers, maintenance_title AS title, proxy_protocol AS proxy, proxy_protocol_version AS version FROM resource ORDER BY resource_id`,
      ),
    ).toEqual([
      { host: null, tls: null, headers: null, title: null, proxy: false, version: 1 },
      { host: null, tls: null, headers: null, title: null, proxy: false, version: 1 },
      { host: null, tls: null, headers: null, title: 'Kept', proxy: true, version: 2 },
    ]);
    expect(
      await sql(
        'SELECT path, rewrite_path AS rewrite, hc_scheme AS scheme, hc_headers AS headers FROM target ORDER BY target_id',
      ),
    ).toEqual([
      { path: null, rewrite: '/', scheme: null, headers: null },
      { path: '/x', rewrite: null, scheme: 'https', headers: [{ name: 'X', value: '' }] },
    ]);
    expect(await sql('SELECT alias, tcp_ports AS tcp, udp_ports AS udp FROM site_resource')).toEqual([
      { alias: 'nas.lan', tcp: '80,443', udp: '*' },
    ]);
    const rules = await sql<{ value: string }>('SELECT value FROM resource_rule ORDER BY rule_id');
    expect(rules.map(({ value }) => value)).toEqual(['DE', 'XX', 'ALL', 'AS64500', 'AS0', '10.0.0.0/8', '/a']);
    expect(
      await sql(
        `SELECT org_id AS org, target_id AS id, details->>'value' AS value FROM audit WHERE action = 'rule.matches_nobody' ORDER BY audit_id`,
      ),
    ).toEqual([
      { org: 'a', id: '2', value: 'XX' },
      { org: 'a', id: '5', value: 'AS0' },
    ]);
  } finally {
    await database.drop();
  }
});

import type { MigrationInterface, QueryRunner } from 'typeorm';
import { type RuleMatch, readRuleValue } from '#blueprint';

interface Rule {
  id: string;
  orgId: string;
  orgUid: string;
  match: RuleMatch;
  value: string;
}

const EMPTY = {
  resource: [
    'set_host_header',
    'tls_server_name',
    'maintenance_title',
    'maintenance_message',
    'maintenance_estimated_time',
  ],
  target: ['path', 'rewrite_path', 'hc_path', 'hc_scheme', 'hc_mode', 'hc_hostname', 'hc_method', 'hc_tls_server_name'],
};

const empty = (table: keyof typeof EMPTY) =>
  `UPDATE ${table} SET ${EMPTY[table].map((column) => `${column} = nullif(${column}, '')`).join(', ')} WHERE '' IN (${EMPTY[table].join(', ')})`;

const STATEMENTS = [
  empty('resource'),
  empty('target'),
  `UPDATE resource SET headers = NULL WHERE headers = '[]'`,
  `UPDATE target SET hc_headers = NULL WHERE hc_headers = '[]'`,
  `UPDATE target SET rewrite_path = '/' WHERE rewrite_path IS NULL AND rewrite_path_type = 'stripPrefix'`,
  `UPDATE resource SET proxy_protocol = false, proxy_protocol_version = 1 WHERE (http OR protocol = 'udp') AND (proxy_protocol OR proxy_protocol_version <> 1)`,
  'UPDATE resource SET proxy_protocol_version = 2 WHERE proxy_protocol_version > 2',
  `UPDATE site_resource SET tcp_ports = replace(tcp_ports, ' ', ''), udp_ports = replace(udp_ports, ' ', '') WHERE tcp_ports LIKE '% %' OR udp_ports LIKE '% %'`,
  // The index on them does not look at case: no two become one.
  'UPDATE site_resource SET alias = lower(alias) WHERE alias <> lower(alias)',
];

/**
 * Brings what the API stored into the form that it and documents store now. A rule whose country or number is none matches nobody, as before:
 * it stays, and the audit says so.
 */
export class NormalForms1764630000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
    const rules = (await runner.query(
      `SELECT r.rule_id AS id, r.org_id AS "orgId", o.org_uid AS "orgUid", r.match, r.value
       FROM resource_rule r JOIN org o USING (org_id) WHERE r.match IN ('CIDR', 'COUNTRY', 'ASN') ORDER BY r.rule_id`,
    )) as Rule[];
    const changed: [id: string, value: string][] = [];
    for (const rule of rules) {
      const read = readRuleValue(rule.match, rule.value);
      if ('problem' in read) await this.tell(runner, rule, read.problem);
      else if (read.value !== rule.value) changed.push([rule.id, read.value]);
    }
    await runner.query(
      'UPDATE resource_rule r SET value = n.value FROM unnest($1::bigint[], $2::text[]) AS n(id, value) WHERE r.rule_id = n.id',
      [changed.map(([id]) => id), changed.map(([, value]) => value)],
    );
  }

  private async tell(runner: QueryRunner, { id, orgId, orgUid, match, value }: Rule, problem: string): Promise<void> {
    await runner.query(
      `INSERT INTO audit (org_id, org_uid, actor_type, actor_id, action, target_type, target_id, result, details) VALUES ($1, $2, 'system', 'upgrade', 'rule.matches_nobody', 'rule', $3, 'success', $4)`,
      [orgId, orgUid, id, { match, value, reason: `The value ${problem}` }],
    );
  }

  async down(): Promise<void> {
    throw new Error('Normal forms have no way back; restore a backup instead');
  }
}

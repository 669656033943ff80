import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, execute, exportOfRows, query, type Window } from '#platform';
import type { CreateRuleBody, RuleView } from './rules.dto.js';

export interface StoredRule extends RuleView {
  version: number;
}

const COLUMNS = 'rule_id AS "ruleId", resource_id AS "resourceId", action, match, value, priority, enabled, version';

const VIEW_COLUMNS: Columns<RuleView> = {
  ruleId: true,
  resourceId: true,
  action: true,
  match: true,
  value: true,
  priority: true,
  enabled: true,
};

const RULES = `SELECT ${COLUMNS} FROM resource_rule WHERE org_id = $1 AND resource_id = $2`;

/** All SQL about rules. */
@Injectable()
export class RulesRepository {
  async orgOf(em: EntityManager, ruleId: number): Promise<string | null> {
    const [row] = await query<{ orgId: string }>(em, 'SELECT org_id AS "orgId" FROM resource_rule WHERE rule_id = $1', [
      ruleId,
    ]);
    return row?.orgId ?? null;
  }

  async find(em: EntityManager, orgId: string, resourceId: number, ruleId: number): Promise<StoredRule | null> {
    const [row] = await query<StoredRule>(
      em,
      `SELECT ${COLUMNS} FROM resource_rule WHERE org_id = $1 AND resource_id = $2 AND rule_id = $3`,
      [orgId, resourceId, ruleId],
    );
    return row ?? null;
  }

  async lock(tx: EntityManager, orgId: string, resourceId: number, ruleId: number): Promise<StoredRule | null> {
    const [row] = await query<StoredRule>(
      tx,
      `SELECT ${COLUMNS} FROM resource_rule WHERE org_id = $1 AND resource_id = $2 AND rule_id = $3 FOR NO KEY UPDATE`,
      [orgId, resourceId, ruleId],
    );
    return row ?? null;
  }

  async insert(tx: EntityManager, orgId: string, resourceId: number, rule: CreateRuleBody): Promise<StoredRule> {
    const [row] = await query<StoredRule>(
      tx,
      `INSERT INTO resource_rule (org_id, resource_id, action, match, value, priority, enabled) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
      [orgId, resourceId, rule.action, rule.match, rule.value, rule.priority, rule.enabled ?? true],
    );
    return row!;
  }

  async update(tx: EntityManager, ruleId: number, rule: RuleView): Promise<StoredRule> {
    const [row] = await query<StoredRule>(
      tx,
      `UPDATE resource_rule SET action = $2, match = $3, value = $4, priority = $5, enabled = $6 WHERE rule_id = $1 RETURNING ${COLUMNS}`,
      [ruleId, rule.action, rule.match, rule.value, rule.priority, rule.enabled],
    );
    return row!;
  }

  /** Whether the document that declares this rule has another one of the same priority: it could not say so. */
  async isDeclaredTwice(tx: EntityManager, ruleId: number): Promise<boolean> {
    const [row] = await query<{ twice: boolean }>(
      tx,
      `SELECT EXISTS (SELECT FROM resource_rule r JOIN resource_rule o USING (resource_id, source_id, priority)
         WHERE r.rule_id = $1 AND o.rule_id <> r.rule_id) AS twice`,
      [ruleId],
    );
    return row!.twice;
  }

  async delete(tx: EntityManager, orgId: string, resourceId: number, ruleId: number): Promise<number> {
    return execute(tx, 'DELETE FROM resource_rule WHERE org_id = $1 AND resource_id = $2 AND rule_id = $3', [
      orgId,
      resourceId,
      ruleId,
    ]);
  }

  all(em: EntityManager, orgId: string, resourceId: number): ExportSource<RuleView, unknown[]> {
    const list = { name: `resource-${resourceId}-rules`, columns: VIEW_COLUMNS, rows: RULES };
    return exportOfRows(em, { ...list, values: [orgId, resourceId], by: ['ruleId'] });
  }

  /** In the order in which they are tried; the page is cut after sorting. */
  async list(em: EntityManager, orgId: string, resourceId: number, window: Window): Promise<[RuleView[], number]> {
    const page = query<StoredRule>(em, `${RULES} ORDER BY priority, rule_id LIMIT $3 OFFSET $4`, [
      orgId,
      resourceId,
      window.limit,
      window.offset,
    ]);
    const total = query<{ n: number }>(
      em,
      'SELECT count(*) AS n FROM resource_rule WHERE org_id = $1 AND resource_id = $2',
      [orgId, resourceId],
    );
    return [(await page).map(({ version: _, ...rule }) => rule), (await total)[0]!.n];
  }
}

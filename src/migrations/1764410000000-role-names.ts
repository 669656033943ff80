import type { MigrationInterface, QueryRunner } from 'typeorm';
import { nameKey } from '#contracts';

interface Row {
  id: string;
  orgId: string;
  orgUid: string;
  name: string;
}

const MAX_LENGTH = 255;

/** Roles are unique without regard to case and width. Of those that were not the oldest keeps its name, the others get a number, and the audit says so. */
export class RoleNames1764410000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE role ADD COLUMN name_key text');
    const roles = (await runner.query(
      'SELECT r.role_id AS id, r.org_id AS "orgId", o.org_uid AS "orgUid", r.name FROM role r JOIN org o USING (org_id) ORDER BY r.org_id, r.is_admin DESC, r.role_id',
    )) as Row[];
    const taken = new Map<string, Set<string>>();
    const ownOf = (orgId: string) => taken.get(orgId) ?? taken.set(orgId, new Set()).get(orgId)!;
    const settled = roles.map((role) => ({ ...role, to: null as string | null }));
    const late = settled.filter((role) => {
      const own = ownOf(role.orgId);
      const free = !own.has(nameKey(role.name));
      own.add(nameKey(role.name));
      return !free;
    });
    for (const role of late) {
      role.to = numbered(role.name, ownOf(role.orgId));
      ownOf(role.orgId).add(nameKey(role.to));
      await this.rename(runner, role, role.to);
    }
    await runner.query(
      'UPDATE role r SET name_key = k.key FROM unnest($1::bigint[], $2::text[]) AS k(id, key) WHERE r.role_id = k.id',
      [settled.map(({ id }) => id), settled.map(({ name, to }) => nameKey(to ?? name))],
    );
    await runner.query(SCHEMA);
  }

  private async rename(runner: QueryRunner, { id, orgId, orgUid, name }: Row, to: string): Promise<void> {
    await runner.query('UPDATE role SET name = $2 WHERE role_id = $1', [id, to]);
    // What a waiting site's document had staged for this role and not for its older namesake.
    await runner.query(
      'UPDATE staged_grant g SET role_name = $3 FROM site s WHERE s.site_id = g.site_id AND s.org_id = $1 AND g.role_name = $2',
      [orgId, name, to],
    );
    await runner.query(
      `INSERT INTO audit (org_id, org_uid, actor_type, actor_id, action, target_type, target_id, result, details) VALUES ($1, $2, 'system', 'upgrade', 'role.rename', 'role', $3, 'success', $4)`,
      [orgId, orgUid, id, { was: name, name: to, reason: 'An older role has this name but for case, width or spaces' }],
    );
  }

  async down(): Promise<void> {
    throw new Error('The names of roles have no way back; restore a backup instead');
  }
}

/** The name with the first number that is free. */
function numbered(name: string, taken: Set<string>): string {
  for (let n = 2; ; n++) {
    const suffix = ` (${n})`;
    const to = name.trim().slice(0, MAX_LENGTH - suffix.length) + suffix;
    if (!taken.has(nameKey(to))) return to;
  }
}

const SCHEMA = `
ALTER TABLE role ALTER COLUMN name_key SET NOT NULL;
ALTER TABLE role DROP CONSTRAINT role_org_id_name_key;
CREATE UNIQUE INDEX role_name ON role (org_id, name_key);
`;

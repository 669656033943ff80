import { Injectable } from '@nestjs/common';
import { type Action, actionsOfRole, type RolePreset } from '#contracts';
import { Db, query } from '#platform';
import type { ActionHolders, HoldingUser } from './action-holders.dto.js';

/** Of the people: enough to find one to ask. */
const MOST = 20;

interface Row {
  roleId: number;
  name: string;
  isAdmin: boolean;
  preset: RolePreset | null;
  actions: string[];
}

/** Who can do what somebody else may not (docs/integration-api.md §3.9). */
@Injectable()
export class ActionHoldersService {
  constructor(private readonly db: Db) {}

  /** Server administrators, who hold everything everywhere, belong to no organization by that, and are left out. */
  async find(orgId: string, action: Action): Promise<ActionHolders> {
    const all = await query<Row>(
      this.db.manager,
      `SELECT role_id AS "roleId", name, is_admin AS "isAdmin", preset, actions FROM role WHERE org_id = $1 ORDER BY name, role_id`,
      [orgId],
    );
    const roles = all.filter((role) => actionsOfRole(role).includes(action));
    const users = await query<HoldingUser & { total: number }>(
      this.db.manager,
      `SELECT u.user_id AS "userId", u.name, u.email, count(*) OVER ()::int AS total FROM "user" u
       WHERE u.user_id IN (SELECT user_id FROM membership_role WHERE org_id = $1 AND role_id = ANY ($2::bigint[]))
       ORDER BY coalesce(u.name, u.email), u.user_id LIMIT ${MOST}`,
      [orgId, roles.map(({ roleId }) => roleId)],
    );
    return {
      roles: roles.map(({ roleId, name }) => ({ roleId, name })),
      users: users.map(({ userId, name, email }) => ({ userId, name, email })),
      total: users[0]?.total ?? 0,
    };
  }
}

import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { execute, Hooks, query } from '#platform';

const GRANTS = [
  { table: 'resource_role', of: 'resource', id: 'resource_id' },
  { table: 'site_resource_role', of: 'site_resource', id: 'site_resource_id' },
];

/** Grants to a role that is deleted go over to its replacement; Admin needs none. */
@Injectable()
export class RoleReplacementService implements OnModuleInit {
  constructor(private readonly hooks: Hooks) {}

  onModuleInit(): void {
    // Grants to a role that nobody holds let nobody in: they go with it.
    this.hooks.roleReplacing.register((tx, _orgId, roleId, replacement) =>
      replacement === null || replacement.isAdmin ? Promise.resolve() : this.move(tx, roleId, replacement.roleId),
    );
  }

  private async move(tx: EntityManager, from: number, to: number): Promise<void> {
    for (const { table, of, id } of GRANTS) {
      // Held, so that none is deleted between being read and being written.
      await query(
        tx,
        `SELECT 1 AS one FROM ${of} WHERE ${id} IN (SELECT ${id} FROM ${table} WHERE role_id = $1) ORDER BY ${id} FOR KEY SHARE`,
        [from],
      );
      await execute(
        tx,
        `INSERT INTO ${table} (${id}, role_id) SELECT ${id}, $2 FROM ${table} WHERE role_id = $1 ON CONFLICT DO NOTHING`,
        [from, to],
      );
    }
  }
}

import { Injectable, type OnModuleInit } from '@nestjs/common';
import { execute, Hooks } from '#platform';

/** Rows deleted by one statement: an organization of many must not run into the statement timeout. */
const ROWS_PER_STATEMENT = 2000;

/** The resources of an organization that is deleted, and their counts, on which no foreign key stands. */
@Injectable()
export class OrgDeletion implements OnModuleInit {
  constructor(private readonly hooks: Hooks) {}

  onModuleInit(): void {
    this.hooks.orgDeleting.register(async (tx, orgId) => {
      for (const statement of [
        'DELETE FROM resource WHERE resource_id IN (SELECT resource_id FROM resource WHERE org_id = $1 ORDER BY resource_id LIMIT $2)',
        'DELETE FROM site_resource WHERE site_resource_id IN (SELECT site_resource_id FROM site_resource WHERE org_id = $1 ORDER BY site_resource_id LIMIT $2)',
      ])
        while ((await execute(tx, statement, [orgId, ROWS_PER_STATEMENT])) > 0);
      await execute(tx, 'DELETE FROM resource_count WHERE org_id = $1', [orgId]);
    });
  }
}

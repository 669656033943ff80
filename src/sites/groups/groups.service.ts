import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  conflict,
  Db,
  invalid,
  isUniqueViolation,
  notFound,
  nothingToChange,
  type PageQuery,
  type Principal,
  query,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import type { CreateGroupBody, GroupList, GroupView, UpdateGroupBody } from './group.dto.js';
import { SiteGroup } from './group.entity.js';

/** Groups of sites (docs/integration-api.md §3.3). */
@Injectable()
export class GroupsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
  ) {}

  onModuleInit(): void {
    this.resolvers.registerNumber('groupId', async (groupId) => {
      const group = await this.db.manager.findOne(SiteGroup, {
        where: { groupId },
        select: { groupId: true, orgId: true },
      });
      return group?.orgId ?? null;
    });
  }

  /** @throws conflict when the name is taken. */
  async create(principal: Principal, orgId: string, body: CreateGroupBody): Promise<GroupView> {
    return this.db.tx(async (tx) => {
      const group = await named(() =>
        tx.save(SiteGroup, { orgId, name: body.name, description: body.description ?? null }),
      );
      await this.audit.record(tx, principal, {
        orgId,
        action: 'group.create',
        target: { type: 'group', id: group.groupId },
        details: { name: group.name },
      });
      return view(group, 0);
    });
  }

  async list(_principal: Principal, orgId: string, page: PageQuery): Promise<GroupList> {
    const window = windowOf(page, 1000);
    const [groups, total] = await this.db.manager.findAndCount(SiteGroup, {
      where: { orgId },
      order: { name: 'ASC' },
      take: window.limit,
      skip: window.offset,
    });
    const counts = await siteCounts(
      this.db.manager,
      groups.map((g) => g.groupId),
    );
    return { groups: groups.map((g) => view(g, counts.get(g.groupId) ?? 0)), pagination: shapeA(total, window) };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, groupId: number): Promise<GroupView> {
    return this.read(this.db.manager, orgId, groupId);
  }

  /** @throws conflict when the name is taken. */
  async update(principal: Principal, orgId: string, groupId: number, body: UpdateGroupBody): Promise<GroupView> {
    const fields = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
    if (Object.keys(fields).length === 0) throw nothingToChange();
    if (fields['name'] === null) throw invalid('name', 'must be a string');
    return this.db.tx(async (tx) => {
      await named(() => tx.update(SiteGroup, { orgId, groupId }, fields));
      const group = await this.read(tx, orgId, groupId);
      await this.audit.record(tx, principal, {
        orgId,
        action: 'group.update',
        target: { type: 'group', id: groupId },
        details: { fields: Object.keys(fields) },
      });
      return group;
    });
  }

  /** Takes the group from sites, profiles and templates; the sites stay. */
  async delete(principal: Principal, orgId: string, groupId: number): Promise<void> {
    await this.db.tx(async (tx) => {
      const { affected } = await tx.delete(SiteGroup, { orgId, groupId });
      if (!affected) throw notFound('Group');
      await this.audit.record(tx, principal, { orgId, action: 'group.delete', target: { type: 'group', id: groupId } });
    });
  }

  private async read(em: EntityManager, orgId: string, groupId: number): Promise<GroupView> {
    const group = await em.findOneBy(SiteGroup, { orgId, groupId });
    if (!group) throw notFound('Group');
    return view(group, (await siteCounts(em, [groupId])).get(groupId) ?? 0);
  }
}

async function siteCounts(em: EntityManager, groupIds: number[]): Promise<Map<number, number>> {
  const rows = await query<{ groupId: number; n: number }>(
    em,
    'SELECT group_id AS "groupId", count(*) AS n FROM site_group_member WHERE group_id = ANY($1::bigint[]) GROUP BY group_id',
    [groupIds],
  );
  return new Map(rows.map((r) => [r.groupId, r.n]));
}

/** A taken name becomes a conflict. */
async function named<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw isUniqueViolation(error) ? conflict('This name is already in use') : error;
  }
}

function view(g: SiteGroup, siteCount: number): GroupView {
  const { groupId, orgId, name, description, createdAt } = g;
  return { groupId, orgId, name, description, siteCount, createdAt };
}

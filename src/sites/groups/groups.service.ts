import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import { type EntityManager, MoreThan } from 'typeorm';
import {
  type Columns,
  conflict,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  invalid,
  isUniqueViolation,
  notFound,
  nothingToChange,
  OrgExports,
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

const COLUMNS: Columns<GroupView> = {
  groupId: true,
  orgId: true,
  name: true,
  description: true,
  siteCount: true,
  createdAt: true,
};

/** Groups of sites (docs/integration-api.md §3.3). */
@Injectable()
export class GroupsService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('groups', 'listGroups', ({ orgId }) => this.all(orgId));
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

  /** By name; all of them in a format by id. */
  async list(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<GroupList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId));
    const window = windowOf(page, 1000);
    const [groups, total] = await this.db.manager.findAndCount(SiteGroup, {
      where: { orgId },
      order: { name: 'ASC' },
      take: window.limit,
      skip: window.offset,
    });
    return { groups: await this.counted(groups), pagination: shapeA(total, window) };
  }

  private all(orgId: string): ExportSource<GroupView, number> {
    return {
      name: 'groups',
      columns: COLUMNS,
      page: async (after, limit) => {
        const where = { orgId, groupId: MoreThan(after ?? 0) };
        return this.counted(await this.db.manager.find(SiteGroup, { where, order: { groupId: 'ASC' }, take: limit }));
      },
      keyOf: ({ groupId }) => groupId,
    };
  }

  private async counted(groups: SiteGroup[]): Promise<GroupView[]> {
    const counts = await siteCounts(
      this.db.manager,
      groups.map((g) => g.groupId),
    );
    return groups.map((g) => view(g, counts.get(g.groupId) ?? 0));
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

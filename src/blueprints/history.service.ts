import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type Columns,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  notFound,
  OrgExports,
  type PageQuery,
  type Principal,
  Retention,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import type { BlueprintList, BlueprintRecord, BlueprintView, Source } from './blueprints.dto.js';
import { BlueprintsRepository, type HistoryEntry } from './blueprints.repository.js';
import type { Applicant } from './current-state.js';

export const APPLIED = 'Blueprint applied successfully';

const COLUMNS: Columns<BlueprintView> = {
  blueprintId: true,
  name: true,
  source: true,
  succeeded: true,
  orgId: true,
  createdAt: true,
};

/** What an operator says of a document: its name, and where it was written. */
export interface Said {
  name?: string;
  source?: Source;
}

/** Every document that changed something, or could not be applied. */
@Injectable()
export class HistoryService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
    private readonly resolvers: TenantResolvers,
    private readonly retention: Retention,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('blueprints', 'listBlueprints', ({ orgId }) => this.all(orgId));
    this.resolvers.registerNumber('blueprintId', (id) => this.repository.orgOf(this.db.manager, id));
    this.retention.register({ table: 'blueprint', id: 'blueprint_id' });
  }

  /** Newest first. */
  async list(
    _principal: Principal,
    orgId: string,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<BlueprintList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId));
    const window = windowOf(page, 1000);
    const [blueprints, total] = await this.repository.list(this.db.manager, orgId, window);
    return { blueprints, pagination: shapeA(total, window) };
  }

  private all(orgId: string): ExportSource<BlueprintView, number> {
    return {
      name: 'blueprints',
      columns: COLUMNS,
      page: (before, limit) => this.repository.before(this.db.manager, orgId, before, limit),
      keyOf: ({ blueprintId }) => blueprintId,
    };
  }

  /** @throws not_found */
  async get(_principal: Principal, orgId: string, blueprintId: number): Promise<BlueprintRecord> {
    const record = await this.repository.find(this.db.manager, orgId, blueprintId);
    if (!record) throw notFound('Blueprint');
    return record;
  }

  /** @param contents the document without its secrets @returns the id of the row */
  applied(tx: EntityManager, applicant: Applicant, contents: string, said: Said = {}): Promise<number | null> {
    return this.repository.record(tx, entryOf(applicant, contents, APPLIED, true, said));
  }

  /** After the transaction in which it was refused has ended. */
  refused(applicant: Applicant, contents: string, message: string, said: Said = {}): Promise<void> {
    return this.refuse(entryOf(applicant, contents, message, false, said));
  }

  /** Under the site's lock: of two that say the same one is written. */
  async refuse(entry: HistoryEntry): Promise<void> {
    await this.db.tx(async (tx) => {
      if (entry.siteId !== null) await this.repository.lockSite(tx, entry.orgId, entry.siteId);
      await this.repository.record(tx, entry);
    });
  }
}

function entryOf(
  { orgId, site, kind }: Applicant,
  contents: string,
  message: string,
  succeeded: boolean,
  said: Said,
): HistoryEntry {
  return {
    orgId,
    siteId: site?.siteId ?? null,
    name: site?.name ?? said.name ?? 'API',
    source: kind === 'api' ? (said.source ?? 'API') : 'NEWT',
    kind,
    succeeded,
    message,
    contents,
  };
}

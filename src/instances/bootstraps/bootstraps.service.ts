import { Injectable, type StreamableFile } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Bootstrap, BootstrapError } from '#bootstrap';
import {
  ApiResult,
  Db,
  type ExportFormat,
  Exports,
  notFound,
  type PageQuery,
  type Principal,
  shapeA,
  windowOf,
} from '#platform';
import type { BootstrapRevisionList, BootstrapView } from './bootstrap.dto.js';
import { BootstrapDocuments } from './bootstrap-documents.js';
import { BootstrapsRepository } from './bootstraps.repository.js';

/** Texts of this many bytes in all are kept as models, and so many of them. */
const KEPT_BYTES = 8 * 1024 * 1024;
const KEPT = 1000;

/** Bootstrap documents: read, and as models for who makes bundles of them (docs/instances.md §1). What changes them is `BootstrapChangesService`. */
@Injectable()
export class BootstrapsService {
  /** Those used last at the end. A revision never changes, so that nothing here grows old. */
  private readonly models = new Map<string, { bootstrap: Bootstrap; bytes: number }>();
  private bytes = 0;

  constructor(
    private readonly db: Db,
    private readonly repository: BootstrapsRepository,
    private readonly documents: BootstrapDocuments,
    private readonly exports: Exports,
  ) {}

  /** `revision`: an earlier one, also of a bootstrap that was deleted. @throws not_found */
  async get(
    _principal: Principal,
    orgId: string,
    profileId: number,
    revision: number | undefined,
  ): Promise<ApiResult<BootstrapView>> {
    const em = this.db.manager;
    const current = await this.repository.current(em, orgId, profileId);
    const found = revision === undefined ? current : await this.repository.find(em, orgId, profileId, revision);
    if (!found) throw notFound(revision === undefined ? 'Bootstrap' : 'Revision of the bootstrap');
    const view: BootstrapView = {
      profileId,
      revision: found.revision,
      currentRevision: current?.revision ?? null,
      settledRevision: current?.settledRevision || null,
      document: found.document,
      createdBy: found.createdBy,
      createdAt: found.createdAt,
    };
    return new ApiResult(view, { version: found.revision });
  }

  /** Newest first, shape A. */
  async revisions(
    _principal: Principal,
    orgId: string,
    profileId: number,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<BootstrapRevisionList | StreamableFile> {
    const em = this.db.manager;
    if (format) return this.exports.start(orgId, format, this.repository.allRevisions(em, orgId, profileId));
    const window = windowOf(page, 1000);
    const revisions = await this.repository.revisions(em, orgId, profileId, window);
    const total = await this.repository.countRevisions(em, orgId, profileId);
    return { revisions, pagination: shapeA(total, window) };
  }

  /**
   * @returns the model of a revision, which nobody may change: it is shared
   * @throws not_found; BootstrapError when the rules of today refuse the document
   */
  async revision(em: EntityManager, profileId: number, revision: number): Promise<Bootstrap> {
    const key = `${profileId}:${revision}`;
    const known = this.models.get(key);
    if (known) {
      this.models.delete(key);
      this.models.set(key, known);
      return known.bootstrap;
    }
    const row = await this.repository.document(em, profileId, revision);
    if (!row) throw notFound('Revision of the bootstrap');
    const { bootstrap, problems } = await this.documents.read({ source: `org:${row.orgId}` }, row.document);
    if (!bootstrap) throw new BootstrapError(problems);
    if (!row.isOwn) this.keep(key, bootstrap, Buffer.byteLength(row.document));
    return bootstrap;
  }

  private keep(key: string, bootstrap: Bootstrap, bytes: number): void {
    if (this.models.has(key)) return;
    this.models.set(key, { bootstrap, bytes });
    this.bytes += bytes;
    for (const [oldest, { bytes: freed }] of this.models) {
      if (this.bytes <= KEPT_BYTES && this.models.size <= KEPT) break;
      this.models.delete(oldest);
      this.bytes -= freed;
    }
  }
}

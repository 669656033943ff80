import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit, type StreamableFile } from '@nestjs/common';
import {
  base32,
  type Columns,
  Config,
  Db,
  type ExportFormat,
  type ExportSource,
  Exports,
  isUniqueViolation,
  notFound,
  OrgExports,
  type PageQuery,
  type Principal,
  Retention,
  randomLower,
  sha256,
  shapeA,
  TenantResolvers,
  windowOf,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import { urlOf } from '../public/resource-url.js';
import { ResourcesService } from '../public/resources.service.js';
import type {
  AccessTokenItem,
  AccessTokenList,
  CreateAccessTokenBody,
  CreatedAccessToken,
} from './access-tokens.dto.js';
import { AccessTokensRepository } from './access-tokens.repository.js';

const ID_LENGTH = 8;
/** 26 characters of base32. */
const TOKEN_BYTES = 16;
const SESSION_DAYS = 30;
const ID_TRIES = 5;

const COLUMNS: Columns<AccessTokenItem> = {
  accessTokenId: true,
  orgId: true,
  resourceId: true,
  expiresAt: true,
  sessionLength: true,
  title: true,
  description: true,
  createdAt: true,
  resourceName: true,
  resourceNiceId: true,
  siteName: true,
};

/** Links that let somebody pass without an account (docs/integration-api.md §3.14). */
@Injectable()
export class AccessTokensService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly repository: AccessTokensRepository,
    private readonly resources: ResourcesService,
    private readonly audit: AuditService,
    private readonly resolvers: TenantResolvers,
    private readonly retention: Retention,
    private readonly exports: Exports,
    private readonly whole: OrgExports,
  ) {}

  onModuleInit(): void {
    this.whole.register('accessTokens', 'listAccessTokens', ({ orgId }) => this.all(orgId, null));
    this.resolvers.register('accessTokenId', async (accessTokenId) => {
      const orgId = await this.repository.orgOf(this.db.manager, accessTokenId);
      return orgId === null ? null : { orgId };
    });
    this.retention.register({ table: 'access_token', expired: 'expires_at < now()' });
  }

  /** A session lasts as long as the token, or thirty days. The token itself is in this answer alone. */
  async create(
    principal: Principal,
    orgId: string,
    resourceId: number,
    body: CreateAccessTokenBody,
  ): Promise<CreatedAccessToken> {
    const { validForSeconds = null, title = null, description = null } = body;
    const sessionLength = (validForSeconds ?? SESSION_DAYS * 86_400) * 1000;
    for (let attempt = 1; ; attempt++) {
      const accessTokenId = randomLower(ID_LENGTH);
      const accessToken = base32(randomBytes(TOKEN_BYTES));
      const tokenHash = sha256(accessToken);
      try {
        return await this.db.tx(async (tx) => {
          const resource = await this.resources.lock(tx, orgId, resourceId);
          const url = urlOf(this.config, resource);
          const { expiresAt, createdAt } = await this.repository.insert(tx, orgId, resourceId, {
            accessTokenId,
            tokenHash,
            sessionLength,
            validForSeconds,
            title,
            description,
          });
          await this.audit.record(tx, principal, {
            orgId,
            action: 'access_token.create',
            target: { type: 'access_token', id: accessTokenId },
            details: { resourceId, title, validForSeconds },
          });
          return {
            accessTokenId,
            orgId,
            resourceId,
            expiresAt,
            sessionLength,
            title,
            description,
            createdAt,
            accessToken,
            url: url && `${url}/?p_token=${accessTokenId}.${accessToken}`,
          };
        });
      } catch (error) {
        if (!isUniqueViolation(error, 'access_token_pkey') || attempt === ID_TRIES) throw error;
      }
    }
  }

  async list(
    _principal: Principal,
    orgId: string,
    resourceId: number | null,
    page: PageQuery,
    format?: ExportFormat,
  ): Promise<AccessTokenList | StreamableFile> {
    if (format) return this.exports.start(orgId, format, this.all(orgId, resourceId));
    const window = windowOf(page, 1000);
    const [accessTokens, total] = await this.repository.list(this.db.manager, orgId, resourceId, window);
    return { accessTokens, pagination: shapeA(total, window) };
  }

  private all(orgId: string, resourceId: number | null): ExportSource<AccessTokenItem, string> {
    return {
      name: 'access-tokens',
      columns: COLUMNS,
      page: (after, limit) => this.repository.after(this.db.manager, orgId, resourceId, after, limit),
      keyOf: ({ accessTokenId }) => accessTokenId,
    };
  }

  /** @throws not_found, for an expired one too */
  async get(_principal: Principal, orgId: string, accessTokenId: string): Promise<AccessTokenItem> {
    const token = await this.repository.find(this.db.manager, orgId, accessTokenId);
    if (!token) throw notFound('Access token');
    return token;
  }

  /** @throws not_found */
  async delete(principal: Principal, orgId: string, accessTokenId: string): Promise<void> {
    await this.db.tx(async (tx) => {
      const gone = await this.repository.delete(tx, orgId, accessTokenId);
      if (!gone) throw notFound('Access token');
      await this.audit.record(tx, principal, {
        orgId,
        action: 'access_token.delete',
        target: { type: 'access_token', id: accessTokenId },
        details: gone,
      });
    });
  }
}

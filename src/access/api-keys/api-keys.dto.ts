import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString, Length } from 'class-validator';
import { ACTIONS, type Action } from '#contracts';
import { BodyExample, IsInstant, IsName, OffsetPagination, OtherNames } from '#platform';
import { IsActionList } from '../action-list.js';
import { CreatedBy } from '../created-by.dto.js';

@OtherNames({ validUntil: 'expiresAt', expires: 'expiresAt', expiry: 'expiresAt' })
@BodyExample({ name: 'Inventory import', expiresAt: '2031-01-31T18:00:00Z' })
export class CreateApiKeyBody {
  @IsString()
  @Length(1, 255)
  @IsName()
  name: string;
  /** Instant from which on the key is refused, in ISO 8601, without a zone in UTC; absent or null: it has no end. */
  @IsOptional() @IsInstant() @IsString() expiresAt?: string | null;
}

@BodyExample({ actionIds: ['listSites', 'getSite', 'updateSite'] })
export class SetApiKeyActionsBody {
  /** Replaces what the key held; an empty list takes everything. Nobody grants an action that they lack. */
  @ApiProperty({ enum: ACTIONS, enumName: 'Action', isArray: true })
  @IsActionList()
  actionIds: Action[];
}

export class ApiKeyView {
  apiKeyId: string;
  orgId: string;
  lastChars: string;
  createdAt: Date;
  name: string;
  /** Null: an earlier version made it, and the audit does not tell any more. */
  createdBy: CreatedBy | null;
  /** To the minute. */
  lastUsedAt: Date | null;
  /** The address of that use. */
  lastUsedFrom: string | null;
  /** From then on it is refused; null: it has no end. */
  expiresAt: Date | null;
}

/** The only answer that shows the secret: the key is `<apiKeyId>.<apiKey>`. */
export class CreatedApiKey {
  apiKeyId: string;
  /** The secret alone; shown once. */
  apiKey: string;
  name: string;
  lastChars: string;
  createdAt: Date;
  expiresAt: Date | null;
}

export class ApiKeyList {
  apiKeys: ApiKeyView[];
  pagination: OffsetPagination;
}

export class ApiKeyAction {
  actionId: string;
}

export class ApiKeyActionList {
  actions: ApiKeyAction[];
  /** The same, as some clients read it. */
  actionIds: string[];
  pagination: OffsetPagination;
}

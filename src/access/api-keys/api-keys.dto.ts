import { ApiProperty } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import { ACTIONS, type Action } from '#contracts';
import { BodyExample, IsName, OffsetPagination } from '#platform';
import { IsActionList } from '../action-list.js';

@BodyExample({ name: 'Inventory import' })
export class CreateApiKeyBody {
  @IsString()
  @Length(1, 255)
  @IsName()
  name: string;
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
}

/** The only answer that shows the secret: the key is `<apiKeyId>.<apiKey>`. */
export class CreatedApiKey {
  apiKeyId: string;
  /** The secret alone; shown once. */
  apiKey: string;
  name: string;
  lastChars: string;
  createdAt: Date;
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

import { Injectable } from '@nestjs/common';
import { Db, Drain } from '#platform';
import { LastUses } from '../last-uses.js';
import { ApiKeysRepository } from './api-keys.repository.js';

/** When and whence API keys were last used. */
@Injectable()
export class ApiKeyUses extends LastUses {
  constructor(db: Db, repository: ApiKeysRepository, drain: Drain) {
    super('API keys', drain, (uses) => repository.used(db.manager, uses));
  }
}

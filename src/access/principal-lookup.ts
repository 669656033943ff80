import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Principals } from '#platform';
import { ApiKeysService } from './api-keys/api-keys.service.js';
import { SessionsService } from './sessions/sessions.service.js';

/** Answers for work that goes on after its request: who its creator is by now, and what that one may do. */
@Injectable()
export class PrincipalLookup implements OnModuleInit {
  constructor(
    private readonly principals: Principals,
    private readonly apiKeys: ApiKeysService,
    private readonly sessions: SessionsService,
  ) {}

  onModuleInit(): void {
    this.principals.provide(async (em, { kind, id }) => {
      if (id === null) return null;
      return kind === 'user' ? this.sessions.principalOfUser(em, id) : this.apiKeys.principalOfKey(em, id);
    });
  }
}

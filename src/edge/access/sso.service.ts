import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError, Db, invalid, type Principal, sha256 } from '#platform';
import { OWN_PATH } from '../http/own-names.js';
import { AccessRepository } from './access.repository.js';
import { LoginAttempts } from './login-attempts.js';
import { LoginRequests } from './login-requests.js';
import type { ResourceLoginAnswer } from './sso.dto.js';

const CODE_SECONDS = 60;

/** The dashboard's half of a login at a resource (docs/edge-access.md). */
@Injectable()
export class SsoService {
  constructor(
    private readonly db: Db,
    private readonly repository: AccessRepository,
    private readonly requests: LoginRequests,
    private readonly attempts: LoginAttempts,
  ) {}

  /**
   * POST /auth/resource-login: where the browser of who is logged in goes on.
   * @param userAgent of that browser
   * @throws validation for a request that no resource made, or that is too old; permission_denied for who has no grant
   */
  async begin(principal: Principal, request: string, userAgent: string | undefined): Promise<ResourceLoginAnswer> {
    const asked = this.requests.read(request);
    if (!asked) throw invalid('request', 'is none that a resource made within the last ten minutes');
    const { resourceId, origin, state, returnPath } = asked;
    const loginSessionId = await this.repository.loginThatMayPass(this.db.manager, resourceId, principal.sessionHash!);
    if (loginSessionId === null) {
      await this.tellOfRefusal(principal, resourceId, userAgent ?? null);
      throw new AppError('permission_denied', 'You have not been let in to this resource');
    }
    const code = randomBytes(32).toString('base64url');
    await this.repository.addLoginCode(this.db.manager, {
      codeHash: sha256(code),
      resourceId,
      loginSessionId,
      origin,
      stateHash: Buffer.from(state, 'base64url'),
      returnPath,
      seconds: CODE_SECONDS,
    });
    return { location: `${origin}${OWN_PATH}callback?code=${code}` };
  }
  private async tellOfRefusal(principal: Principal, resourceId: number, userAgent: string | null): Promise<void> {
    const facts = await this.repository.facts(this.db.manager, resourceId);
    if (!facts) return;
    const { id, name, address, requestId = '' } = principal;
    this.attempts.addRefusedUser({ ...facts, resourceId }, { requestId, address, userAgent }, { id: id!, name });
  }
}

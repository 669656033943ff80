import { Injectable } from '@nestjs/common';
import { AppError, Db, notFound, type Principal, RefusalLimiter } from '#platform';
import { SessionsService, UsersService } from '../../access/index.js';
import { AuditService } from '../../audit/index.js';
import { OrgsService } from '../../orgs/index.js';
import { FIRST_ORG } from '../first-run.service.js';
import type { SetUpBody, SetUpView } from './setup.dto.js';
import { SetupLinks } from './setup-links.js';

/** The short set-up of a new installation in a browser (docs/integration-api.md §3.22). */
@Injectable()
export class SetupService {
  constructor(
    private readonly db: Db,
    private readonly links: SetupLinks,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly orgs: OrgsService,
    private readonly audit: AuditService,
    private readonly limiter: RefusalLimiter,
  ) {}

  /**
   * POST /setup: the first server administrator gets an address and a password, which ends what sessions they had, and is signed in; the
   * first organization gets its name. All of it or nothing, once.
   * @throws not_found for any unusable link; rate_limited; validation; conflict when the address is somebody else's
   */
  async setUp(caller: Principal, body: SetUpBody): Promise<SetUpView & { token: string }> {
    if (!(await this.links.isOpen(body.token))) throw this.refuse(caller);
    const passwordHash = await this.users.hashPassword(caller, body.password);
    const email = body.email.toLowerCase();
    return this.db.tx(async (tx) => {
      if (!(await this.links.use(tx, body.token))) throw this.refuse(caller);
      const userId = await this.users.firstServerAdmin(tx);
      if (userId === null) throw notFound('Server administrator');
      const principal = { ...caller, kind: 'user' as const, id: userId, name: email };
      await this.users.setIdentity(tx, userId, { email, passwordHash });
      const isThere = await this.orgs.rename(tx, principal, FIRST_ORG, body.organizationName);
      await this.audit.record(tx, principal, {
        orgId: null,
        action: 'installation.set_up',
        target: { type: 'user', id: userId },
        details: { email },
      });
      return { userId, email, orgId: isThere ? FIRST_ORG : null, ...(await this.sessions.open(tx, principal)) };
    });
  }

  private refuse(caller: Principal): AppError {
    this.limiter.refused(caller.address ?? '', 'setup');
    return new AppError('not_found', 'The link does not exist, has expired or was used');
  }
}

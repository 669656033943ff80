import { Injectable } from '@nestjs/common';
import { Db, Drain, type Principal } from '#platform';
import { AnonymousQuota, type AuditEntry, AuditService, RefusalRecords } from '../../audit/index.js';

const ENTRY = { orgId: null, action: 'auth.login', result: 'failure' } satisfies AuditEntry;

/** Failed logins in the audit: anybody can cause them, so they are recorded like refused claims. */
@Injectable()
export class RefusedLogins {
  private readonly records: RefusalRecords<Principal>;

  constructor(db: Db, audit: AuditService, shares: AnonymousQuota, drain: Drain) {
    this.records = new RefusalRecords<Principal>(shares, {
      write: (callers) =>
        db.tx((tx) =>
          audit.recordMany(
            tx,
            callers.map((principal) => ({ ...ENTRY, principal })),
          ),
        ),
      writeCount: (sample, count) => audit.recordCount(db.manager, { ...sample, name: 'many' }, ENTRY, count),
      addToCount: (auditId, count) => audit.addToCount(db.manager, auditId, count),
    });
    drain.register('flush', 'refused logins', () => this.records.close());
  }

  /** `caller` is named by the address that was given. */
  record(caller: Principal): void {
    this.records.add({ slot: '', row: caller, stranger: { address: caller.address } });
  }
}

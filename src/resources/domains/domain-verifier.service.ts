import { Resolver } from 'node:dns/promises';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Config, checkViolated, Db, Drain, isUniqueViolation, PeriodicTask, systemPrincipal } from '#platform';
import { AuditService, EventsService } from '../../audit/index.js';
import type { DnsRecordView } from './domains.dto.js';
import { DomainsRepository, type DueDomain, type LostDomain } from './domains.repository.js';

const LOOK_EVERY_MS = 5_000;
const AT_ONCE = 16;
const QUERY_TIMEOUT_MS = 2_000;
/** 10 s, 20 s, … an hour: some three days in all, in which a delegation gets round. */
const BACKOFF = { firstSeconds: 10, capSeconds: 3_600 };
const MAX_TRIES = 80;
const TAKEN = 'Somebody else has verified this domain';
const SHARED = 'This domain is shared by all organizations';
/** What a resolver says when there is no such record. */
const ABSENT = new Set(['ENODATA', 'ENOTFOUND', 'NXDOMAIN']);

type Verdict = { verifiedIds: number[]; problem: string | null };

/** Checks ns and cname domains by DNS, in the background; several servers share the work. */
@Injectable()
export class DomainVerifier implements OnApplicationBootstrap {
  private readonly task = new PeriodicTask(DomainVerifier.name, {
    failure: 'The check of domains failed',
    everyMs: LOOK_EVERY_MS,
    run: () => this.checkDue(),
  });
  private readonly principal = systemPrincipal('domain verification');
  private readonly resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 2 });
  private stopped = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly db: Db,
    config: Config,
    private readonly repository: DomainsRepository,
    private readonly audit: AuditService,
    private readonly events: EventsService,
    drain: Drain,
  ) {
    drain.register('flush', 'checks of domains', () => this.stop());
    if (config.domains.resolvers.length > 0) this.resolver.setServers([...config.domains.resolvers]);
  }

  onApplicationBootstrap(): void {
    this.task.wake(LOOK_EVERY_MS);
  }

  private async stop(): Promise<void> {
    this.stopped = true;
    this.resolver.cancel();
    await this.task.stop();
  }

  /** Checks what is due, after a check that is running. @returns how many domains were checked. */
  checkDue(): Promise<number> {
    const mine = this.running.then(() => this.checkAll());
    this.running = mine.catch(() => undefined);
    return mine;
  }

  private async checkAll(): Promise<number> {
    let checked = 0;
    for (let due: DueDomain[] | undefined; !this.stopped && due?.length !== 0; checked += due.length) {
      due = await this.repository.takeDue(this.db.manager, AT_ONCE, BACKOFF);
      await Promise.all(due.map((domain) => this.check(domain)));
    }
    return checked;
  }

  private async check(domain: DueDomain): Promise<void> {
    const { verifiedIds, problem } = await this.ask(domain);
    if (this.stopped) return;
    try {
      await this.write(domain, verifiedIds, problem, domain.tries >= MAX_TRIES);
    } catch (error) {
      const refusal = isUniqueViolation(error, 'domain_proven')
        ? TAKEN
        : checkViolated(error) === 'domain_claim_shared'
          ? SHARED
          : undefined;
      if (refusal === undefined) throw error;
      await this.write(domain, verifiedIds, refusal, true);
    }
  }

  private async write(domain: DueDomain, verifiedIds: number[], problem: string | null, last: boolean): Promise<void> {
    const { domainId, orgId, baseDomain } = domain;
    await this.db.tx(async (tx) => {
      const lost = problem === null ? await this.repository.markVerified(tx, domain) : [];
      if (lost === null || (problem !== null && !(await this.repository.markUnverified(tx, domain, problem, last))))
        return;
      await this.tell(tx, lost);
      await this.repository.markRecords(tx, domainId, verifiedIds);
      if (problem !== null && !last) return;
      await this.audit.record(tx, this.principal, {
        orgId,
        action: 'domain.verify',
        target: { type: 'domain', id: domainId },
        result: problem === null ? 'success' : 'failure',
        details: { baseDomain, ...(problem === null ? {} : { problem }) },
      });
    });
  }

  /** Those who held by a mere claim what is proven now. Whose proof it was is not for them to know. */
  private async tell(tx: EntityManager, lost: LostDomain[]): Promise<void> {
    await this.events.emit(
      tx,
      ...lost.map(({ orgId, ...data }) => ({ orgId, type: 'domain.unverified' as const, data })),
    );
    await this.audit.recordMany(
      tx,
      lost.map(({ orgId, domainId, baseDomain, reason }) => ({
        principal: this.principal,
        orgId,
        action: 'domain.unverify',
        target: { type: 'domain', id: domainId },
        details: { baseDomain, reason },
      })),
    );
  }

  /** ns: one of the name servers is enough of a proof, the others follow as they get round. cname: each of its two records. */
  private async ask({ domainId, type, baseDomain }: DueDomain): Promise<Verdict> {
    const records = await this.repository.records(this.db.manager, domainId);
    const verifiedIds: number[] = [];
    try {
      if (type === 'ns') {
        const found = new Set((await this.lookUp('NS', baseDomain)).map(plain));
        verifiedIds.push(...records.filter((r) => found.has(plain(r.value))).map((r) => r.id));
        return { verifiedIds, problem: verifiedIds.length > 0 ? null : missing(records, found) };
      }
      for (const record of records) {
        const found = new Set((await this.lookUp('CNAME', record.baseDomain)).map(plain));
        if (!found.has(plain(record.value))) return { verifiedIds, problem: missing([record], found) };
        verifiedIds.push(record.id);
      }
      return { verifiedIds, problem: null };
    } catch (error) {
      return {
        verifiedIds,
        problem: `The resolver did not answer for ${baseDomain} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      };
    }
  }

  private async lookUp(type: 'NS' | 'CNAME', name: string): Promise<string[]> {
    try {
      return await (type === 'NS' ? this.resolver.resolveNs(name) : this.resolver.resolveCname(name));
    } catch (error) {
      if (ABSENT.has((error as NodeJS.ErrnoException).code ?? '')) return [];
      throw error;
    }
  }
}

const plain = (name: string) => name.toLowerCase().replace(/\.$/, '');

function missing(wanted: Pick<DnsRecordView, 'recordType' | 'baseDomain' | 'value'>[], found: Set<string>): string {
  const [{ recordType, baseDomain } = { recordType: 'NS', baseDomain: '' }] = wanted;
  const there = found.size > 0 ? `has ${[...found].sort().join(', ')}` : 'has none';
  return `${baseDomain} needs the ${recordType} record ${wanted.map((r) => r.value).join(' or ')} and ${there}`.slice(
    0,
    1000,
  );
}

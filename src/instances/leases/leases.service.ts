import { createHash } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter } from 'prom-client';
import type { EntityManager } from 'typeorm';
import { INSTANCE_LIMITS, JOSE_TYPE, type LeaseAnswer, type LeasePayload, type LeaseRequest } from '#contracts';
import { AppError, Db, databaseBusy, Hooks, notFound } from '#platform';
import { EventsService } from '../../audit/index.js';
import { notApproved } from '../bundles/refusals.js';
import { SigningKeys } from '../trust/signing-keys.service.js';
import { type LeaseFacts, type LeaseStep, LeasesRepository } from './leases.repository.js';

const leases = new Counter({
  name: 'gatehouse_leases_total',
  help: 'Requests of instances for a lease by what became of them',
  labelNames: ['result'],
});

const HELD =
  'The state of this instance is in use twice: an operator has to send its bundle again, or re-issue its credential';
/** Tries, when others change the chain at the same moment. */
const ATTEMPTS = 5;
/** Seconds until an instance whose lease is held back asks again. */
const LOOK_AGAIN = 300;

/** The right to use a bundle for a while, and the chain that shows a clone (docs/instances.md §4). */
@Injectable()
export class LeasesService implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly repository: LeasesRepository,
    private readonly events: EventsService,
    private readonly signingKeys: SigningKeys,
    private readonly hooks: Hooks,
  ) {}

  onModuleInit(): void {
    // Earlier credentials are over, and with them whoever else had the state.
    this.hooks.siteReissued.register((tx, _principal, orgId, siteId) => this.begin(tx, orgId, [siteId]));
  }

  /**
   * One statement where the chain goes on.
   * @throws not_found; pending_approval for a site that is not in service; lease_held after a clone where the profile holds leases back
   */
  async take(orgId: string, siteId: number, request: LeaseRequest): Promise<LeaseAnswer> {
    const iat = Math.floor(Date.now() / 1000);
    const exp = iat + INSTANCE_LIMITS.leaseSeconds;
    const step: LeaseStep = {
      jti: idOf(siteId, request),
      prev: request.prev,
      ver: request.ver,
      expiresAt: new Date(exp * 1000),
    };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const facts = await this.repository.advance(this.db.manager, orgId, siteId, step);
      if (!facts) throw notFound('Site');
      if (facts.status !== 'approved') throw refused('pending', notApproved(facts.niceId));
      const result = facts.granted ? 'granted' : await this.judge(orgId, siteId, step);
      if (result === 'again') continue;
      if (result === 'held') throw refused('held', new AppError('lease_held', HELD, { retryAfter: LOOK_AGAIN }));
      leases.inc({ result });
      return { lease: await this.sign(facts, step, { nonce: request.nonce, iat, exp }) };
    }
    throw databaseBusy();
  }

  /** The next request of each site begins a new chain; what was held back is given again. */
  async begin(tx: EntityManager, orgId: string, siteIds: number[]): Promise<void> {
    await this.repository.begin(tx, orgId, siteIds);
  }

  /** The chain did not go on by itself. @returns again: it has changed meanwhile, to where it may */
  private judge(orgId: string, siteId: number, step: LeaseStep): Promise<'cloned' | 'held' | 'again'> {
    return this.db.tx(async (tx) => {
      const chain = await this.repository.lock(tx, siteId, step.prev);
      if (!chain || !(chain.cloned || chain.held)) return 'again';
      const held = chain.held || chain.onClone === 'hold';
      if (chain.cloned) {
        await this.repository.cloned(tx, siteId, held, chain.isNews);
        if (chain.isNews) await this.events.emit(tx, { type: 'site.cloned', orgId, siteId, data: { held } });
      }
      if (held) return 'held';
      await this.repository.goOn(tx, siteId, step);
      return 'cloned';
    });
  }

  private sign(facts: LeaseFacts, step: LeaseStep, by: Pick<LeasePayload, 'nonce' | 'iat' | 'exp'>): Promise<string> {
    const payload: LeasePayload = {
      iss: facts.orgUid,
      sub: facts.deviceId,
      ver: facts.ver,
      digest: facts.digest,
      jti: step.jti,
      prev: step.prev,
      ...by,
    };
    return this.signingKeys.sign(facts.orgUid, JOSE_TYPE.lease, payload);
  }
}

/**
 * The same for a request that is repeated, since nobody knows which of the two is read first: a server that stood still may read the first one
 * long after another has answered the second.
 */
function idOf(siteId: number, { prev, nonce }: LeaseRequest): string {
  return createHash('sha256').update(`${siteId} ${prev} ${nonce}`).digest('base64url');
}

function refused(result: string, error: AppError): AppError {
  leases.inc({ result });
  return error;
}

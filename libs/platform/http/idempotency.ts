import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type OnModuleInit,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply } from 'fastify';
import { defer, lastValueFrom, type Observable } from 'rxjs';
import type { EntityManager } from 'typeorm';
import type { GatehouseRequest, Principal } from '../access/route-access.js';
import { sameBytes, sha256 } from '../crypto/crypto.js';
import { KeyRing } from '../crypto/key-ring.js';
import { Db, execute, query } from '../database/db.js';
import { Retention } from '../database/retention.js';
import { conflict, invalid, sqlState } from '../errors.js';
import { ApiResult, RESPONSE, type ResponseOptions } from './api-responses.js';

export const IDEMPOTENCY_KEY = 'idempotency-key';
const HOURS = 24;
const KEY = /^[\x21-\x7e]{1,255}$/;
/** A statement, or its wait for a lock, took too long. */
const TOO_LONG = new Set(['57014', '55P03']);

/** What a stored answer belongs to, and is bound to by its encryption. */
interface Call {
  principal: string;
  method: string;
  path: string;
  key: string;
  /** The same text for the same body. */
  body: string;
  /** The organization that the path names: the answer goes with it. */
  orgId: string | null;
}

interface Stored {
  data: unknown;
  /** Only where the handler chose them itself. */
  status?: number;
  message?: string;
  version?: number;
}

const toStored = (result: unknown): Stored =>
  result instanceof ApiResult
    ? { data: (result.data as unknown) ?? null, ...result.options }
    : { data: result ?? null };

/** A call under way, with what its transaction stored once it is committed. */
interface Running {
  call: Call;
  committed: Stored | null;
}

/** The call was decided before: its answer is stored. */
class Decided extends Error {}

const aad = ({ principal, method, path, key }: Call) => `answer:${[principal, method, path, key].join('\n')}`;
const idOf = ({ principal, method, path, key }: Call) => [principal, method, path, key];
const bodyOf = (call: Call) => `${aad(call)}\n${call.body}`;

/**
 * `Idempotency-Key` on creating routes. The key's row is inserted by the very transaction that creates: a second call with the key waits
 * for that transaction's end, finds the row after a commit and none after a rollback, whatever dies in between. The result of the
 * transaction is stored with it, encrypted; it is what is answered again for 24 hours.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor, OnModuleInit {
  private readonly calls = new AsyncLocalStorage<Running>();

  constructor(
    private readonly reflector: Reflector,
    private readonly db: Db,
    private readonly keys: KeyRing,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    this.db.around(() => {
      const running = this.calls.getStore();
      return running && !running.committed ? (tx, run) => this.inTransaction(tx, running, run) : null;
    });
    this.retention.register({ table: 'idempotency_key', expired: `created_at < now() - interval '${HOURS} hours'` });
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<GatehouseRequest>();
    const key = request.headers[IDEMPOTENCY_KEY];
    if (key === undefined) return next.handle();
    const declared = this.reflector.get<ResponseOptions | undefined>(RESPONSE, context.getHandler());
    const principal = request.principal;
    if (!declared || !isCreating(declared, request.body) || !principal || principal.kind === 'anonymous')
      return next.handle();
    if (typeof key !== 'string' || !KEY.test(key))
      throw invalid('Idempotency-Key', 'must be 1 to 255 visible ASCII characters');
    const call = {
      principal: nameOf(principal),
      method: request.method,
      path: request.url,
      key,
      body: canonical(request.body ?? null),
      orgId: request.orgId ?? null,
    };
    return defer(() => this.answer(call, next, context.switchToHttp().getResponse<FastifyReply>()));
  }

  private async answer(call: Call, next: CallHandler, reply: FastifyReply): Promise<unknown> {
    const before = await this.stored(call);
    if (before) return replay(before, reply);
    const running: Running = { call, committed: null };
    try {
      const result: unknown = await this.calls.run(running, () => lastValueFrom(next.handle()));
      const final = toStored(result);
      if (running.committed && JSON.stringify(final) !== JSON.stringify(running.committed))
        await this.store(this.db.manager, call, final);
      return result;
    } catch (error) {
      const meanwhile = error instanceof Decided ? await this.stored(call) : undefined;
      if (meanwhile) return replay(meanwhile, reply);
      throw error instanceof Decided
        ? conflict('The first request with this Idempotency-Key has not ended yet')
        : error;
    }
  }

  /** @returns the answer of an earlier call. @throws conflict when that call had another body. */
  private async stored(call: Call): Promise<Stored | undefined> {
    const [row] = await query<{ bodyHash: Buffer; answer: Buffer | null }>(
      this.db.manager,
      `SELECT body_hash AS "bodyHash", answer FROM idempotency_key
       WHERE principal = $1 AND method = $2 AND path = $3 AND key = $4 AND created_at >= now() - interval '${HOURS} hours'`,
      idOf(call),
    );
    if (!row) return undefined;
    if (!this.isOfBody(row.bodyHash, call)) throw conflict('This Idempotency-Key was used with another body');
    return JSON.parse(this.keys.decrypt(row.answer!, aad(call)).toString()) as Stored;
  }

  /** Bodies hold secrets that people chose: a plain hash of one could be guessed against by who has the rows. */
  private macOf(call: Call): Buffer {
    return this.keys.mac('idempotent-body', bodyOf(call));
  }

  /** 0.1.0 stored a plain SHA-256. Its rows answer for the day that they have left: a repeated call must not act twice because of an upgrade. */
  private isOfBody(stored: Buffer, call: Call): boolean {
    return this.keys.isMac('idempotent-body', bodyOf(call), stored) || sameBytes(stored, sha256(call.body));
  }

  /** Runs the first transaction of a call together with the row of its key. */
  private async inTransaction<T>(tx: EntityManager, running: Running, run: () => Promise<T>): Promise<T> {
    const { call } = running;
    if (!(await this.claim(tx, call))) throw new Decided();
    const result = await run();
    const answer = toStored(result);
    await this.store(tx, call, answer);
    running.committed = answer;
    return result;
  }

  private async claim(tx: EntityManager, call: Call): Promise<boolean> {
    try {
      const claimed = await execute(
        tx,
        `INSERT INTO idempotency_key (principal, method, path, key, body_hash, org_uid) VALUES ($1, $2, $3, $4, $5, (SELECT org_uid FROM org WHERE org_id = $6))
         ON CONFLICT (principal, method, path, key) DO UPDATE SET body_hash = excluded.body_hash, org_uid = excluded.org_uid, answer = NULL, created_at = now()
           WHERE idempotency_key.created_at < now() - interval '${HOURS} hours'`,
        [...idOf(call), this.macOf(call), call.orgId],
      );
      return claimed === 1;
    } catch (error) {
      if (TOO_LONG.has(sqlState(error) ?? '')) return false;
      throw error;
    }
  }

  private async store(em: EntityManager, call: Call, answer: Stored): Promise<void> {
    const sealed = this.keys.encrypt(Buffer.from(JSON.stringify(answer)), aad(call));
    await execute(
      em,
      'UPDATE idempotency_key SET answer = $5 WHERE principal = $1 AND method = $2 AND path = $3 AND key = $4',
      [...idOf(call), sealed],
    );
  }
}

/** Calls that take the header: of routes that answer 201, and of those that create under another status. */
export function isCreating({ status, creates }: Pick<ResponseOptions, 'status' | 'creates'>, body: unknown): boolean {
  return typeof creates === 'function' ? creates(body) : (creates ?? status === 201);
}

/** The same text for the same JSON value: keys in order, whatever order they were sent in. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

const nameOf = (principal: Principal) => `${principal.kind}:${principal.id ?? principal.name}`;

function replay({ data, ...options }: Stored, reply: FastifyReply): ApiResult<unknown> {
  reply.header('idempotency-replayed', 'true');
  return new ApiResult(data, options);
}

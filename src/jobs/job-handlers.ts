import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Action } from '#contracts';
import type { Principal } from '#platform';
import type { JobError } from './jobs.dto.js';

/** What came of one item. */
export interface ItemResult {
  /** What it is called, once in a job: an id. */
  item: string;
  outcome: string;
  failed: boolean;
  message: string | null;
}

/** What the audit row of a single act says of the job that it is part of, if it is. */
export const partOf = (jobId: number | undefined) => (jobId === undefined ? {} : { bulk: true, jobId });

/** What one step did. */
export interface StepResult<Progress extends object = object> {
  /** Where the next step goes on. */
  progress: Progress;
  results: ItemResult[];
  /** Whether nothing is left to do. */
  done: boolean;
  /** Seconds until the next step, in place of those of the pace: there is something to wait for. */
  waitSeconds?: number;
  /** Why the job stops after this step, until somebody resumes or cancels it. */
  pause?: JobError;
}

/** A job as its handler sees it. */
export interface JobInHand<Input extends object = object, Progress extends object = object> {
  jobId: number;
  orgId: string;
  input: Input;
  /** What the last step left; null before the first one. */
  progress: Progress | null;
  /** Who created it, with the authority of now. */
  principal: Principal;
}

/** How the jobs of a kind are done; of the module whose work it is. */
export interface JobHandler<Input extends object = object, Progress extends object = object> {
  /** What the creator must be allowed in the organization; asked before each step. */
  action: Action | ((input: Input) => Action);
  /** How many items a step may do, where they are done together and cost little each. */
  stepItems?: number;
  /**
   * Does at most `items` items, inside the transaction that remembers its progress: what it did and that it did it become true together. It
   * may run again when that transaction failed, on another server too, so it does nothing outside of the transaction. It is short: whoever
   * pauses or cancels the job waits for it.
   * @throws to have the step tried again; what concerns one item alone is a result instead (`savepoint`)
   */
  step(tx: EntityManager, job: JobInHand<Input, Progress>, items: number): Promise<StepResult<Progress>>;
}

/** Handlers by kind, filled at module init. A server takes only jobs of kinds that it knows: a newer one may start others. */
@Injectable()
export class JobHandlers {
  private readonly byKind = new Map<string, JobHandler>();

  register<Input extends object, Progress extends object>(kind: string, handler: JobHandler<Input, Progress>): void {
    if (this.byKind.has(kind)) throw new Error(`Jobs of the kind ${kind} have a handler`);
    this.byKind.set(kind, handler as unknown as JobHandler);
  }

  /** @throws Error for a kind that nobody registered */
  of(kind: string): JobHandler {
    const handler = this.byKind.get(kind);
    if (!handler) throw new Error(`Jobs of the kind ${kind} have no handler`);
    return handler;
  }

  get kinds(): string[] {
    return [...this.byKind.keys()];
  }
}

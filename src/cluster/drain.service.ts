import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import {
  AppError,
  DRAIN_STAGES,
  Drain,
  type DrainStage,
  type DrainWork,
  Readiness,
  TimeoutError,
  withTimeout,
} from '#platform';

/**
 * What each stage may take at least, in milliseconds; what an earlier one has not used is added. Together they are the budget of a stop: a
 * supervisor grants 10 s, of which the embedded database needs some.
 */
export const DRAIN_BUDGET: Record<DrainStage, number> = {
  'stop accepting': 1000,
  'give up the lease': 2000,
  'tell sessions': 2000,
  'finish requests': 500,
  flush: 500,
  'close database': 500,
};

/** What one stage did. */
export interface DrainedStage {
  stage: DrainStage;
  ms: number;
  /** What it left, by the name of the work. */
  unfinished?: Record<string, string>;
}

/** Carries out what modules have registered for the stop of this server, and logs what each stage took and what it left unfinished. */
@Injectable()
export class DrainService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(DrainService.name);

  constructor(
    private readonly drain: Drain,
    readiness: Readiness,
  ) {
    readiness.register('drain', () => (drain.hasBegun ? { notReady: shuttingDown() } : 'ok'));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.drain.begin();
    const stages = await this.run();
    if (stages.some((stage) => stage.unfinished)) this.logger.warn({ stages }, 'The server stops with work unfinished');
    else this.logger.log({ stages }, 'The server has drained');
  }

  /** All stages in order. Never throws: a stop goes on. */
  private async run(): Promise<DrainedStage[]> {
    const stages: DrainedStage[] = [];
    let ends = performance.now();
    for (const stage of DRAIN_STAGES) {
      ends += DRAIN_BUDGET[stage];
      const began = performance.now();
      const left = await Promise.all(
        this.drain.worksOf(stage).map(async ({ name, work }) => [name, await leftBy(work, ends - began)] as const),
      );
      const unfinished = left.flatMap(([name, what]) => (what === undefined ? [] : [[name, what]]));
      stages.push({
        stage,
        ms: Math.round(performance.now() - began),
        ...(unfinished.length > 0 ? { unfinished: Object.fromEntries(unfinished) as Record<string, string> } : {}),
      });
    }
    return stages;
  }
}

/** @returns what the work left, or undefined. */
async function leftBy(work: DrainWork, withinMs: number): Promise<string | undefined> {
  try {
    const left = await withTimeout(withinMs, Promise.resolve().then(work));
    return typeof left === 'string' ? left : undefined;
  } catch (error) {
    return error instanceof TimeoutError ? error.message : String(error);
  }
}

const shuttingDown = () => new AppError('shutting_down', 'The server is stopping', { retryAfter: 2 });

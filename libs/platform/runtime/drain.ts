import { Injectable } from '@nestjs/common';

/** What a server that stops does, in this order: each stage begins when the one before has ended or has had its time. */
export const DRAIN_STAGES = [
  'stop accepting',
  'give up the lease',
  'tell sessions',
  'finish requests',
  'flush',
  'close database',
] as const;
export type DrainStage = (typeof DRAIN_STAGES)[number];

/** @returns what it had to leave, in words for the log, or nothing. */
export type DrainWork = () => unknown;

/** The work of a stopping server, registered by the modules whose work it is; `src/cluster` carries it out. */
@Injectable()
export class Drain {
  private readonly works: { stage: DrainStage; name: string; work: DrainWork }[] = [];
  private begun = false;

  /** @param name what it is, in the log */
  register(stage: DrainStage, name: string, work: DrainWork): void {
    this.works.push({ stage, name, work });
  }

  worksOf(stage: DrainStage): { name: string; work: DrainWork }[] {
    return this.works.filter((registered) => registered.stage === stage);
  }

  /** Whether this server has begun to stop. */
  get hasBegun(): boolean {
    return this.begun;
  }

  begin(): void {
    this.begun = true;
  }
}

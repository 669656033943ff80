import type { TargetHealth } from '../contracts/index.js';

export interface Thresholds {
  /** How many good answers in a row make a target healthy, and failures unhealthy. Absent: 1. */
  healthyThreshold?: number;
  unhealthyThreshold?: number;
}

/** What answers in a row say of a target: unknown until one of the thresholds is reached (docs/health.md rule 3). */
export class Tally {
  health: TargetHealth = 'unknown';
  private good: boolean | undefined;
  private inARow = 0;

  constructor(private readonly thresholds: Thresholds) {}

  take(good: boolean): void {
    this.inARow = good === this.good ? this.inARow + 1 : 1;
    this.good = good;
    const { healthyThreshold = 1, unhealthyThreshold = 1 } = this.thresholds;
    if (this.inARow >= (good ? healthyThreshold : unhealthyThreshold)) this.health = good ? 'healthy' : 'unhealthy';
  }
}

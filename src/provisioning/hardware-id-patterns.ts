import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { RE2JS } from 're2js';
import type { patternProblem } from '#blueprint';
import { atMost, invalid, Workers } from '#platform';

/**
 * Instructions of a compiled pattern: with a hardware id of 128 characters their product is what one match may cost. A pattern of 256
 * characters reaches half of it without repeat counts.
 */
const MAX_PROGRAM = 1000;

/** RE2: matching time is linear in hardware id and program, whatever the pattern (docs/claims.md rule 9), and both are bounded. */
@Injectable()
export class HardwareIdPatterns {
  private readonly logger = new Logger(HardwareIdPatterns.name);
  /** Null: too large, or stored by a version that took it. */
  private readonly known = new LRUCache<string, { re: RE2JS | null }>(atMost(1000));

  constructor(private readonly workers: Workers) {}

  /** @throws validation when the pattern does not compile (docs/claims.md rule 8) or makes too large a program; capacity */
  async assert(orgId: string, pattern: string): Promise<void> {
    const problem = await this.workers.check<typeof patternProblem>(
      { source: `org:${orgId}` },
      'patternProblem',
      pattern,
      MAX_PROGRAM,
    );
    if (problem !== undefined) throw invalid('hardwareIdPattern', problem);
  }

  /**
   * Before the first match: whether a stored pattern is within the bound, which 0.1.0 did not have. One that is not matches nothing and is
   * told in the log. @throws capacity
   */
  async learn(orgId: string, pattern: string): Promise<void> {
    if (this.known.has(pattern)) return;
    // Apart from what its operators and sites have read: a claim does not wait for their documents.
    const problem = await this.workers.check<typeof patternProblem>(
      { source: `claims:${orgId}` },
      'patternProblem',
      pattern,
      MAX_PROGRAM,
    );
    if (problem !== undefined)
      this.logger.warn(
        { hardwareIdPattern: pattern },
        `A stored hardware id pattern refuses every device: it ${problem}. Change the template`,
      );
    this.known.set(pattern, { re: problem === undefined ? RE2JS.compile(pattern) : null });
  }

  /** The pattern is anchored to the whole id. */
  matches(pattern: string, hardwareId: string): boolean {
    let known = this.known.get(pattern);
    // Changed since it was learned: what the API takes is within the bound.
    if (!known) this.known.set(pattern, (known = { re: RE2JS.compile(pattern) }));
    return known.re?.matcher(hardwareId).matches() ?? false;
  }
}

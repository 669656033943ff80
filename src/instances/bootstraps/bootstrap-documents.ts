import { Injectable } from '@nestjs/common';
import { type ParsedBootstrap, parseBootstrap } from '#bootstrap';
import { isReadQuickly, unifiedDiff } from '#document';
import { TaskTooLarge, type Turn, Workers } from '#platform';

/** Up to so many characters in both together are compared within a few milliseconds, even where each line is one and another. */
const SMALL_DIFF = 4 * 1024;

/** Reads and compares bootstrap documents: what is not read quickly for certain, in a worker thread. */
@Injectable()
export class BootstrapDocuments {
  constructor(private readonly workers: Workers) {}

  /** As `parseBootstrap`; the answer for a document that costs too much is a problem that says so. @throws capacity */
  async read(turn: Turn, text: string): Promise<ParsedBootstrap> {
    if (isReadQuickly(text)) return parseBootstrap(text);
    try {
      return await this.workers.run<typeof parseBootstrap>(turn, 'parseBootstrap', text);
    } catch (error) {
      if (!(error instanceof TaskTooLarge)) throw error;
      return {
        bootstrap: undefined,
        problems: [{ path: '', message: `the document ${error.message}`, line: 0, column: 0 }],
      };
    }
  }
  /** As `unifiedDiff`. @throws capacity */
  async diff(turn: Turn, ...texts: Parameters<typeof unifiedDiff>): Promise<string> {
    const [before, after] = texts;
    if (before.length + after.length <= SMALL_DIFF) return unifiedDiff(...texts);
    return this.workers.run<typeof unifiedDiff>(turn, 'unifiedDiff', ...texts);
  }
}

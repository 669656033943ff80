import { Injectable } from '@nestjs/common';
import { type ParsedBootstrap, parseBootstrap } from '#bootstrap';
import { unifiedDiff } from '#document';
import { TaskTooLarge, type Turn, Workers } from '#platform';

/** Up to this many bytes parsing costs less than handing the text to a worker thread; but YAML aliases let a short text stand for a long one. */
const SMALL = 16 * 1024;
const isCheap = (text: string) => Buffer.byteLength(text) <= SMALL && !text.includes('&');

/** Reads and compares bootstrap documents: large ones, and those that may hold aliases, in a worker thread. */
@Injectable()
export class BootstrapDocuments {
  constructor(private readonly workers: Workers) {}

  /** As `parseBootstrap`; the answer for a document that costs too much is a problem that says so. @throws capacity */
  async read(turn: Turn, text: string): Promise<ParsedBootstrap> {
    if (isCheap(text)) return parseBootstrap(text);
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
    if (before.length + after.length <= SMALL) return unifiedDiff(...texts);
    return this.workers.run<typeof unifiedDiff>(turn, 'unifiedDiff', ...texts);
  }
}

import { Injectable, type StreamableFile } from '@nestjs/common';
import type { Action } from '#contracts';
import { type ExportSource, Exports, pagesOf } from './exports.js';

/** An organization by its id and by its identity (docs/adr/0021). */
export interface ExportedOrg {
  orgId: string;
  orgUid: string;
}

/** A list that the export of a whole organization has. */
interface Part {
  /** What its rows are called. */
  list: string;
  /** What somebody must hold to read the list. */
  action: Action;
  pages(org: ExportedOrg): AsyncGenerator<object[]>;
}

/**
 * Everything of an organization as one file of JSON lines (docs/integration-api.md §1.12). Modules register their lists; each is read like an
 * export of its own, one behind the other.
 */
@Injectable()
export class OrgExports {
  private readonly parts: Part[] = [];

  constructor(private readonly exports: Exports) {}

  /** @param list what its rows are called in the file */
  register<Row extends object, Key>(
    list: string,
    action: Action,
    source: (org: ExportedOrg) => ExportSource<Row, Key>,
  ): void {
    this.parts.push({ list, action, pages: (org) => pagesOf(source(org)) });
    this.parts.sort((one, other) => (one.list < other.list ? -1 : 1));
  }

  /** What it takes to read all of it. */
  get actions(): Action[] {
    return [...new Set(this.parts.map(({ action }) => action))].sort();
  }

  /** @param head what stands in the first line @throws rate_limited as other exports */
  start(org: ExportedOrg, head: object): Promise<StreamableFile> {
    return this.exports.file(org.orgId, 'organization', 'jsonl', this.texts(org, head));
  }

  private async *texts(org: ExportedOrg, head: object): AsyncGenerator<string> {
    const counts: Record<string, number> = {};
    yield lineOf({ list: 'organization', row: head });
    for (const { list, pages } of this.parts) {
      counts[list] = 0;
      for await (const rows of pages(org)) {
        yield rows.map((row) => lineOf({ list, row })).join('');
        counts[list] += rows.length;
      }
    }
    // A file that was cut off has no such line.
    yield lineOf({ end: counts });
  }
}

const lineOf = (line: object) => `${JSON.stringify(line)}\n`;

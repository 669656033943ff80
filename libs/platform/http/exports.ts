import { Readable } from 'node:stream';
import { createParamDecorator, type ExecutionContext, Injectable, StreamableFile } from '@nestjs/common';
import type { GatehouseRequest } from '../access/route-access.js';
import { AppError, invalid, invalidFields } from '../errors.js';
import { CSV_LINE_END, cellOf } from './csv.js';

const MEDIA_TYPES = { csv: 'text/csv', jsonl: 'application/x-ndjson' } as const;
export type ExportFormat = keyof typeof MEDIA_TYPES;
export const EXPORT_FORMATS = Object.keys(MEDIA_TYPES) as ExportFormat[];

/** Rows that are in memory at once. */
const PAGE = 500;
const PER_ORGANIZATION = 3;
const IN_ALL = 30;
/** A caller who takes nothing for so long has gone, or never comes. */
const IDLE_MS = 60_000;
/** Parameters of pages and their order, which an export has not. */
const OF_PAGES = ['limit', 'offset', 'page', 'pageSize', 'sort_by', 'order', 'cursor'];

/** The columns of a table in their order: each field of a row has one, or the list does not compile. */
export type Columns<Row> = { readonly [Name in keyof Required<Row>]: true };

/** A list as an export reads it. */
export interface ExportSource<Row extends object, Key> {
  /** What the file is called: `sites`. */
  name: string;
  columns: Columns<Row>;
  /** At most so many rows behind a key, in the order of keys; undefined: from the beginning. */
  page(after: Key | undefined, limit: number): Promise<Row[]>;
  /** By which `page` goes on behind this row: unique, and of the row for good. */
  keyOf(row: Row): Key;
  /** Whose list it is, when it is not of an organization or the installation: it takes the places of theirs. */
  caller?: string;
}

/**
 * Whole lists as CSV or JSON lines (docs/integration-api.md §1.12, ADR 0078). They are read by key in pages, each a statement of its own with
 * its time limit, and only as fast as the caller takes them: an export holds a page, no connection and no snapshot.
 */
@Injectable()
export class Exports {
  private readonly running = new Map<string, number>();
  private all = 0;

  /**
   * Begins an export; what fails at its first page is answered like the error of a list, later the connection breaks off.
   * @param orgId null: of the installation. @throws rate_limited when too many of the organization, or of this server, are running
   */
  async start<Row extends object, Key>(
    orgId: string | null,
    format: ExportFormat,
    source: ExportSource<Row, Key>,
  ): Promise<StreamableFile> {
    return this.file(orgId, source.name, format, texts(format, source), source.caller);
  }

  /** The same of texts that are made from pages of several lists. */
  async file(
    orgId: string | null,
    name: string,
    format: ExportFormat,
    all: AsyncGenerator<string>,
    caller?: string,
  ): Promise<StreamableFile> {
    const leave = this.enter(caller === undefined ? (orgId ?? '') : `caller ${caller}`);
    try {
      const first = await all.next();
      const idle = setTimeout(() => stream.destroy(), IDLE_MS);
      const stream: Readable = Readable.from(taken(first, all, idle), { objectMode: false });
      stream.once('close', () => {
        clearTimeout(idle);
        leave();
      });
      return new StreamableFile(stream, {
        type: `${MEDIA_TYPES[format]}; charset=utf-8`,
        disposition: `attachment; filename="${fileName(orgId, name, format)}"`,
      });
    } catch (error) {
      leave();
      throw error;
    }
  }

  private enter(key: string): () => void {
    const mine = this.running.get(key) ?? 0;
    if (mine >= PER_ORGANIZATION || this.all >= IN_ALL)
      throw new AppError('rate_limited', 'Too many exports are running; wait for one of them', { retryAfter: 10 });
    this.running.set(key, mine + 1);
    this.all++;
    return () => {
      const left = this.running.get(key)! - 1;
      if (left > 0) this.running.set(key, left);
      else this.running.delete(key);
      this.all--;
    };
  }
}

/** The pages of a list, each read when the one before was taken. */
export async function* pagesOf<Row extends object, Key>({
  page,
  keyOf,
}: ExportSource<Row, Key>): AsyncGenerator<Row[]> {
  for (let rows = await page(undefined, PAGE); rows.length > 0; rows = await page(keyOf(rows.at(-1)!), PAGE)) {
    yield rows;
    if (rows.length < PAGE) return;
  }
}

/** The text of a page at a time; of CSV the first one has the names of the columns. */
async function* texts<Row extends object, Key>(
  format: ExportFormat,
  source: ExportSource<Row, Key>,
): AsyncGenerator<string> {
  const names = Object.keys(source.columns) as (keyof Row & string)[];
  const line = (row: Row) =>
    format === 'jsonl' ? `${JSON.stringify(row)}\n` : names.map((name) => cellOf(row[name])).join(',') + CSV_LINE_END;
  let head = format === 'csv' ? names.join(',') + CSV_LINE_END : '';
  for await (const rows of pagesOf(source)) {
    yield head + rows.map(line).join('');
    head = '';
  }
  if (head) yield head;
}

/** Texts as the caller takes them, the first of which is there. */
async function* taken(
  first: IteratorResult<string, unknown>,
  rest: AsyncGenerator<string>,
  idle: NodeJS.Timeout,
): AsyncGenerator<string> {
  if (first.done) return;
  yield first.value;
  idle.refresh();
  for await (const text of rest) {
    yield text;
    idle.refresh();
  }
}

/** `acme-sites-2027-01-31.csv` */
const fileName = (orgId: string | null, name: string, format: ExportFormat) =>
  [orgId ?? 'installation', name, `${new Date().toISOString().slice(0, 10)}.${format}`]
    .join('-')
    .replace(/[^A-Za-z0-9._-]/g, '_');

/**
 * Which export a request of a list asks for: by `format`, which is taken out of its query, else by `Accept`. undefined: the list itself, and
 * for HEAD, which has no body. @throws validation
 */
export function takeExportFormat({ query, headers, method }: GatehouseRequest): ExportFormat | undefined {
  const { format: given, ...others } = query as Record<string, unknown>;
  delete (query as Record<string, unknown>).format;
  const accepted = headers.accept?.split(',').map((range) => range.split(';')[0]!.trim().toLowerCase());
  const format = given ?? EXPORT_FORMATS.find((one) => accepted?.includes(MEDIA_TYPES[one]));
  if (format === undefined) return undefined;
  if (!EXPORT_FORMATS.includes(format as ExportFormat))
    throw invalid('format', `must be one of the following values: ${EXPORT_FORMATS.join(', ')}`);
  const cut = OF_PAGES.filter((name) => name in others);
  if (cut.length > 0)
    throw invalidFields(cut.map((path) => ({ path, problem: 'An export is whole, and in an order of its own' })));
  return method === 'HEAD' ? undefined : (format as ExportFormat);
}

/** Parameter: the format in which the whole list is asked for, on a route that `Returns` with `exports`; undefined: a page of it. */
export const ExportAs = createParamDecorator(
  (_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<GatehouseRequest>().exportAs,
);

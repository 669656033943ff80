import { QueryRunnerAlreadyReleasedError } from 'typeorm';
import { ERROR_STATUS, type ErrorCode } from '#contracts';

export interface ErrorDetails {
  /** Seconds; becomes `Retry-After`. */
  retryAfter?: number;
  /** One entry per problem of a request, with the path of the field. */
  fields?: FieldProblem[];
  /** `data` of the envelope [null]: such as what still uses a thing that was to be deleted. */
  data?: object;
  /** Replaces the envelope: claim endpoints, whose error body has a form of its own (docs/claims.md rule 2). */
  body?: Record<string, unknown>;
}

/** The one error that services throw on purpose. `code` decides the status (libs/contracts/errors.ts). */
export class AppError extends Error {
  readonly status: number;

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(message);
    this.name = 'AppError';
    this.status = ERROR_STATUS[code];
  }
}

/** A row of another organization, or none at all: the caller cannot tell which. */
export const notFound = (what: string) => new AppError('not_found', `${what} not found`);
export const conflict = (message: string) => new AppError('conflict', message);

export interface FieldProblem {
  path: string;
  problem: string;
}

/** Entries of an answer: nobody reads more, and a hostile request has a hundred thousand. */
const MAX_PROBLEMS = 20;
/** Characters of a path or a problem: a key may be as long as a body. */
const MAX_TEXT = 300;

const clip = (text: string) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);

/** The first of many problems, and a word on how many more there are. */
export function firstProblems(problems: FieldProblem[]): FieldProblem[] {
  const shown = problems.length > MAX_PROBLEMS ? problems.slice(0, MAX_PROBLEMS - 1) : problems;
  const clipped = shown.map(({ path, problem }) => ({ path: clip(path), problem: clip(problem) }));
  return shown === problems
    ? clipped
    : [...clipped, { path: '', problem: `and ${problems.length - shown.length} more problems` }];
}

/** What is wrong with a request, field by field. */
export function invalidFields(problems: FieldProblem[], before = 'Validation error: '): AppError {
  const fields = firstProblems(problems);
  return new AppError(
    'validation',
    before + fields.map(({ path, problem }) => (path === '' ? problem : `${problem} at "${path}"`)).join('; '),
    { fields },
  );
}

export const invalid = (path: string, problem: string) => invalidFields([{ path, problem }]);

/** An update whose body names nothing. */
export const nothingToChange = () => invalid('body', 'at least one field is required');

interface PgError extends Error {
  code?: string;
  detail?: string;
  constraint?: string;
  column?: string;
}

/** SQLSTATE of an error that PostgreSQL (or the driver below TypeORM) raised, if it is one. */
export function sqlState(error: unknown): string | undefined {
  const e = error as { code?: unknown; driverError?: { code?: unknown } } | undefined;
  const code = e?.driverError?.code ?? e?.code;
  return typeof code === 'string' ? code : undefined;
}

/** True when a unique index refused the row; with a name, only that index. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const e = error as PgError & { driverError?: PgError };
  return sqlState(error) === '23505' && (!constraint || (e.driverError ?? e).constraint === constraint);
}

/** The name of the rule that refused a row: of a CHECK, or of a trigger that says it in its place. Undefined for any other error. */
export function checkViolated(error: unknown): string | undefined {
  const e = error as PgError & { driverError?: PgError };
  return sqlState(error) === '23514' ? (e.driverError ?? e).constraint : undefined;
}

/** For statements that write NULL where there is nothing to write: PostgreSQL then refuses, and undoes what travels with them. */
export function isNotNullViolation(error: unknown, column: string): boolean {
  const e = error as PgError & { driverError?: PgError };
  return sqlState(error) === '23502' && (e.driverError ?? e).column === column;
}

/** Tables whose rows the API calls otherwise. */
const NOUNS: Record<string, string> = { org: 'Organization', site_group: 'Group', membership: 'User' };

/**
 * What PostgreSQL refused because of somebody else, at the same moment: what a row hangs on was deleted under it (404), or something hangs on
 * what is deleted (409). Undefined for any other error.
 */
export function refusedMeanwhile(error: unknown): AppError | undefined {
  if (sqlState(error) !== '23503') return undefined;
  const { detail = '' } = (error as { driverError?: PgError }).driverError ?? (error as PgError);
  const gone = / is not present in table "(\w+)"/.exec(detail)?.[1];
  if (gone === undefined) return conflict('Something else still needs this');
  const words = gone.replace(/_/g, ' ');
  return notFound(NOUNS[gone] ?? words.charAt(0).toUpperCase() + words.slice(1));
}

const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOTFOUND',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '25006',
  // PostgreSQL ended the connection: idle in a transaction, or a transaction, for too long.
  '25P03',
  '25P04',
]);
const AWAY_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|not queryable|Cannot use a pool after calling end|Connection ended|the database system is/i;

/** True when the error says that PostgreSQL cannot be reached now, as opposed to having refused a statement. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof AppError) return error.code === 'database_unavailable';
  // TypeORM releases a runner whose connection broke; what was about to use it hears this.
  if (error instanceof QueryRunnerAlreadyReleasedError) return true;
  if (!(error instanceof Error)) return false;
  const code = sqlState(error);
  // A socket that is not there; a file may be missing for other reasons.
  if (code === 'ENOENT') return (error as NodeJS.ErrnoException).syscall === 'connect';
  if (code && (AWAY_CODES.has(code) || code.startsWith('08'))) return true;
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  return AWAY_MESSAGES.test(error.message);
}

export const databaseAway = () =>
  new AppError('database_unavailable', 'The database cannot be reached at the moment', { retryAfter: 5 });

/** Serialization failure and deadlock, in all attempts; a lock or a statement that took too long; memory and other resources. */
const BUSY_CODES = new Set(['40001', '40P01', '55P03', '57014', '53200', '53400']);

/** @returns the answer to what PostgreSQL cannot do now and may do a moment later: it is away, busy, or its disk is full. Undefined for any other error. */
export function unavailable(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error.code.startsWith('database_') ? error : undefined;
  if (isDatabaseAway(error)) return databaseAway();
  if (isDiskFull(error)) return databaseFull();
  return BUSY_CODES.has(sqlState(error) ?? '') ? databaseBusy() : undefined;
}

/** True when the server has said so once for all (`DatabaseHealth`, `DatabaseDisk`): background work tries again and adds nothing to the log. */
export const isOutage = (error: unknown) => isDatabaseAway(error) || isDiskFull(error);

export const isDiskFull = (error: unknown) => sqlState(error) === '53100';

export const databaseBusy = () =>
  new AppError('database_busy', 'The database is busy with the same at the moment; try again', { retryAfter: 2 });
export const databaseFull = () => new AppError('database_full', 'The disk of the database is full', { retryAfter: 30 });

import type { ErrorCode } from '../../../contracts/index.js';

export interface FieldProblem {
  /** Of the body or the query, as `labels.model` or `rules[2].value`. */
  path: string;
  problem: string;
}

/** What the API refused, or that nobody answered (`status` 0). */
export class ApiProblem extends Error {
  override name = 'ApiProblem';

  constructor(
    readonly status: number,
    readonly code: ErrorCode | 'unreachable',
    message: string,
    readonly fields: readonly FieldProblem[] = [],
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
  }

  /** The API did not answer, or said that it cannot at the moment: asking again later may help. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

export const isProblem = (error: unknown, ...codes: ApiProblem['code'][]): error is ApiProblem =>
  error instanceof ApiProblem && (codes.length === 0 || codes.includes(error.code));

/** Reads an answer that is no success. A proxy in between may have answered in words of its own. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  try {
    const { code, message, fields } = (await response.json()) as {
      code: ErrorCode;
      message: string;
      fields?: FieldProblem[];
    };
    return new ApiProblem(response.status, code, message, fields, retryAfter);
  } catch {
    const code = response.status >= 500 ? 'unreachable' : 'internal';
    return new ApiProblem(response.status, code, `${response.status} ${response.statusText}`, [], retryAfter);
  }
}

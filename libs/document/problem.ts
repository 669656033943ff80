/** Something wrong in a document. `line` and `column` count from 1; both are 0 where there is no text (Docker labels). */
export type Problem = { path: string; message: string; line: number; column: number };

/** With the word on how many more there are, as many as an answer has. */
const MAX_PROBLEMS = 19;

/** Collects problems; of more than {@link MAX_PROBLEMS} it only counts those that come later, since nobody reads more and a hostile document has many. */
export class Problems {
  /** In the order of the text. */
  private readonly found: (Problem & { at: number })[] = [];
  private more = 0;

  /** @param unmask puts back what was taken out of the text before it was parsed */
  constructor(
    private readonly place: (offset: number) => { line: number; column: number } = () => ({ line: 0, column: 0 }),
    private readonly unmask: (text: string) => string = (text) => text,
  ) {}

  /** @param at offset in the text; negative when there is none */
  add(path: string, message: string, at: number): void {
    if (!this.wants(at)) return void this.more++;
    const problem = {
      at,
      path: this.unmask(path),
      message: this.unmask(message),
      ...(at < 0 ? { line: 0, column: 0 } : this.place(at)),
    };
    const same = (one: Problem) =>
      one.path === problem.path &&
      one.message === problem.message &&
      one.line === problem.line &&
      one.column === problem.column;
    if (this.found.some(same)) return;
    const later = this.found.findIndex((one) => one.at > at);
    this.found.splice(later < 0 ? this.found.length : later, 0, problem);
    if (this.found.length <= MAX_PROBLEMS) return;
    this.found.pop();
    this.more++;
  }

  /** Whether a problem there is kept: the first ones of the text are. The message of another need not be worked out. */
  wants(at: number): boolean {
    const last = this.found.at(-1);
    return last === undefined || this.found.length < MAX_PROBLEMS || at < last.at;
  }

  get none(): boolean {
    return this.found.length === 0;
  }

  /** In the order of the text. */
  list(): Problem[] {
    const kept = this.found.map(({ at: _, ...problem }) => problem);
    return this.more === 0
      ? kept
      : [...kept, { path: '', message: `and ${this.more} more problems`, line: 0, column: 0 }];
  }
}

/** One problem as a line: `12:5 public-resources.web.port: must be …`. */
export function describeProblem({ path, message, line, column }: Problem): string {
  return `${line > 0 ? `${line}:${column} ` : ''}${path === '' ? '' : `${path}: `}${message}`;
}

/** `a.b` for a plain key, `a["b c"]` for any other. */
export function below(path: string, key: string): string {
  if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** A value as it may stand in a message: short and on one line. */
export function shown(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

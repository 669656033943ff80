/** Thrown inside the scanner only. */
class Problem extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Where text that is not JSON goes wrong and how, with line and column and without a word of the text, which may hold a secret.
 * JSON.parse says it differently in each version of Node, often without a place.
 */
export function jsonProblem(text: string): string {
  try {
    const scanner = new Scanner(text);
    scanner.value();
    scanner.end();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const before = text.slice(0, error.at).split('\n');
    return `line ${before.length}, column ${[...(before.at(-1) ?? '')].length + 1}: ${error.message}`;
  }
  return 'it cannot be parsed';
}

const MAX_DEPTH = 200;

class Scanner {
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string) {}

  value(): void {
    this.space();
    const next = this.text[this.at];
    if (next === undefined) throw new Problem(this.at, 'a value is missing, the text ends here');
    if (++this.depth > MAX_DEPTH) throw new Problem(this.at, `more than ${MAX_DEPTH} levels`);
    if (next === '{') this.list('}', () => this.entry());
    else if (next === '[') this.list(']', () => this.value());
    else if (next === '"') this.string();
    else this.word();
    this.depth--;
  }

  end(): void {
    this.space();
    if (this.at < this.text.length) throw new Problem(this.at, 'something follows the end of the object');
  }

  private list(close: string, item: () => void): void {
    const what = close === '}' ? 'object' : 'list';
    this.at++;
    this.space();
    if (this.skip(close)) return;
    for (;;) {
      item();
      this.space();
      if (this.skip(close)) return;
      const comma = this.at;
      if (!this.skip(',')) throw new Problem(this.at, this.orEnd(`a comma or the end of the ${what} is missing`));
      this.space();
      if (this.text[this.at] === close)
        throw new Problem(comma, `a comma before the end of the ${what}, which JSON does not allow`);
    }
  }

  private entry(): void {
    this.space();
    if (this.text[this.at] !== '"') throw new Problem(this.at, this.orEnd('a name in double quotes is missing'));
    this.string();
    this.space();
    if (!this.skip(':')) throw new Problem(this.at, this.orEnd('a colon is missing'));
    this.value();
  }

  private string(): void {
    const start = this.at++;
    for (;;) {
      const next = this.text[this.at];
      if (next === '"') break;
      if (next === undefined || next === '\n')
        throw new Problem(start, 'the text in double quotes that begins here does not end on its line');
      if (next < ' ') throw new Problem(this.at, 'a control character in a text');
      if (next === '\\' && !this.escape()) throw new Problem(this.at, 'a backslash that is not doubled');
      this.at++;
    }
    this.at++;
  }

  /** Moves to the last character of an escape. */
  private escape(): boolean {
    const found = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(this.text.slice(this.at, this.at + 6))?.[0];
    this.at += found === undefined ? 0 : found.length - 1;
    return found !== undefined;
  }

  private word(): void {
    const found = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/.exec(
      this.text.slice(this.at, this.at + 400),
    );
    if (!found) throw new Problem(this.at, this.stranger());
    this.at += found[0].length;
  }

  private stranger(): string {
    const next = this.text[this.at];
    if (next === "'") return 'single quotes: JSON has double quotes only';
    if (next === '/' || next === '#') return 'a comment, which JSON does not have';
    if (next === ',' || next === '}' || next === ']') return 'a value is missing';
    return 'a value that is none of JSON: a text needs double quotes';
  }

  private orEnd(message: string): string {
    const next = this.text[this.at];
    if (next === undefined) return `${message}, the text ends here`;
    return next === "'" || next === '/' || next === '#' ? this.stranger() : message;
  }

  private skip(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (/[ \t\r\n]/.test(this.text[this.at] ?? '')) this.at++;
  }
}

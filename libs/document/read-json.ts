import { DOCUMENT_LIMITS, type MapEntry, type TreeNode } from './node.js';
import { below, type Problems, shown } from './problem.js';

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS = [
  ['true', true],
  ['false', false],
  ['null', null],
] as const;

class Broken extends Error {
  constructor(
    message: string,
    readonly at: number,
    readonly path = '',
  ) {
    super(message);
  }
}

/** Strict JSON, with places, duplicate keys found and a limit of depth, which JSON.parse has not. @returns undefined after a problem */
export function readJson(text: string, problems: Problems): TreeNode | undefined {
  try {
    return new JsonReader(text, problems).document();
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    problems.add(error.path, error.message, error.at);
    return undefined;
  }
}

class JsonReader {
  private at = 0;
  private nodes = 0;

  constructor(
    private readonly text: string,
    private readonly problems: Problems,
  ) {}

  document(): TreeNode {
    const root = this.value('', 0);
    this.space();
    if (this.at < this.text.length) throw new Broken('there is something behind the end of the JSON document', this.at);
    return root;
  }

  private value(path: string, depth: number): TreeNode {
    this.space();
    const at = this.at;
    if (depth > DOCUMENT_LIMITS.depth)
      throw new Broken(`is nested more than ${DOCUMENT_LIMITS.depth} levels deep`, at, path);
    if (++this.nodes > DOCUMENT_LIMITS.nodes)
      throw new Broken(`the document has more than ${DOCUMENT_LIMITS.nodes} values`, at);
    const first = this.text[at];
    if (first === '{') return this.map(path, depth);
    if (first === '[') return this.list(path, depth);
    if (first === '"') {
      const text = this.string();
      return { kind: 'scalar', at, value: text, source: text };
    }
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, at)) {
        this.at += word.length;
        return { kind: 'scalar', at, value, source: word };
      }
    }
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(this.text)?.[0];
    if (number === undefined)
      throw new Broken(
        at >= this.text.length
          ? 'the JSON document ends too early'
          : `not valid JSON: a value was expected, not ${shown(this.text.slice(at, at + 1))}`,
        at,
        path,
      );
    this.at += number.length;
    return { kind: 'scalar', at, value: Number(number), source: number };
  }

  private map(path: string, depth: number): TreeNode {
    const node: TreeNode = { kind: 'map', at: this.at++, entries: [] as MapEntry[] };
    const seen = new Set<string>();
    if (this.next('}')) return node;
    do {
      this.space();
      const keyAt = this.at;
      if (this.text[keyAt] !== '"')
        throw new Broken('not valid JSON: a key in double quotes was expected', keyAt, path);
      const key = this.string();
      if (!this.next(':')) throw new Broken(`not valid JSON: a colon was expected after ${shown(key)}`, this.at, path);
      const value = this.value(below(path, key), depth + 1);
      if (seen.has(key)) this.problems.add(below(path, key), 'is given twice', keyAt);
      else node.entries.push({ key, keyAt, value });
      seen.add(key);
    } while (this.next(','));
    if (!this.next('}')) throw new Broken('not valid JSON: a comma or } was expected', this.at, path);
    return node;
  }

  private list(path: string, depth: number): TreeNode {
    const node: TreeNode = { kind: 'list', at: this.at++, items: [] as TreeNode[] };
    if (this.next(']')) return node;
    do node.items.push(this.value(`${path}[${node.items.length}]`, depth + 1));
    while (this.next(','));
    if (!this.next(']')) throw new Broken('not valid JSON: a comma or ] was expected', this.at, path);
    return node;
  }

  private string(): string {
    const start = this.at++;
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined || character === '\n')
        throw new Broken('not valid JSON: a text is not closed', start);
      this.at += character === '\\' ? 2 : 1;
      if (character === '"') break;
    }
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw new Broken('not valid JSON: a text has a wrong escape or a bare tab', start);
    }
  }

  private next(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (' \t\n\r'.includes(this.text[this.at] ?? '-')) this.at++;
  }
}

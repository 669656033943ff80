const SLASH = 47;
/** Anything within a segment. */
const STAR = -1;
/** The slash before the first of any number of segments, and all that follows it. Both may be passed over. */
const INTO = -2;
const REST = -3;

/**
 * A PATH of a rule: segments, in which `*` stands for anything within the segment; a segment that is nothing but `*` stands for any
 * number of segments, none included. A slash at the end makes no difference.
 *
 * All states of the pattern are followed at once, as bits: time is linear in the path, whatever pattern and path are.
 */
export class Glob {
  /** What every path begins with that matches. */
  private readonly prefix: string;
  /** Of what follows the prefix: nothing, anything, or as the automaton says. */
  private readonly rest: 'nothing' | 'anything' | Automaton;

  constructor(pattern: string) {
    const segments = pattern.split('/').filter((segment) => segment !== '');
    const firstStar = segments.findIndex((segment) => segment.includes('*'));
    const literal = firstStar < 0 ? segments : segments.slice(0, firstStar);
    const rest = segments.slice(literal.length);
    this.prefix = literal.map((segment) => `/${segment}`).join('');
    this.rest = rest.length === 0 ? 'nothing' : rest.every((s) => s === '*') ? 'anything' : new Automaton(rest);
  }

  /** @param path begins with `/` */
  matches(path: string): boolean {
    const end = path.charCodeAt(path.length - 1) === SLASH ? path.length - 1 : path.length;
    const from = this.prefix.length;
    if (end < from || !path.startsWith(this.prefix)) return false;
    if (this.rest === 'nothing') return end === from;
    if (end > from && path.charCodeAt(from) !== SLASH) return false;
    return this.rest === 'anything' || this.rest.matches(path, from, end);
  }
}

/** Bit `i` of its state: the first `i` tokens have matched. */
class Automaton {
  private readonly states: Int32Array;
  /** Tokens that take a character: bits by its code. */
  private readonly taking = new Map<number, Int32Array>();
  private readonly none: Int32Array;
  /** Tokens that take any character and stay: within a segment, and at a slash. */
  private readonly stars: Int32Array;
  private readonly rests: Int32Array;
  private readonly intos: Int32Array;
  private readonly count: number;

  constructor(segments: string[]) {
    const tokens = tokensOf(segments);
    const words = (tokens.length >>> 5) + 1;
    const bits = () => new Int32Array(words);
    [this.states, this.none, this.stars, this.rests, this.intos] = [bits(), bits(), bits(), bits(), bits()];
    this.count = tokens.length;
    for (const [i, token] of tokens.entries()) {
      if (token === STAR || token === REST) set(this.stars, i);
      if (token === REST) set(this.rests, i);
      if (token === INTO) set(this.intos, i);
      const code = token === INTO ? SLASH : token;
      if (code < 0) continue;
      let taking = this.taking.get(code);
      if (!taking) this.taking.set(code, (taking = bits()));
      set(taking, i);
    }
  }

  matches(path: string, from: number, end: number): boolean {
    const { states, stars, intos, count } = this;
    states.fill(0);
    states[0] = intos[0]! & 1 ? 0b101 : 1;
    for (let at = from; at < end; at++) {
      const code = path.charCodeAt(at);
      const taking = this.taking.get(code) ?? this.none;
      const staying = code === SLASH ? this.rests : stars;
      let [moved, passed, jumped, any] = [0, 0, 0, 0];
      for (let w = 0; w < states.length; w++) {
        const before = states[w]!;
        const move = before & taking[w]!;
        let now = (move << 1) | moved | (before & staying[w]!);
        moved = move >>> 31;
        // What a star stands for may be nothing more, and before it nothing at all. Two of them never follow each other.
        const pass = now & stars[w]!;
        now |= (pass << 1) | passed;
        passed = pass >>> 31;
        const jump = now & intos[w]!;
        now |= (jump << 2) | jumped;
        jumped = jump >>> 30;
        states[w] = now;
        any |= now;
      }
      if (any === 0) return false;
    }
    return (states[count >>> 5]! & (1 << (count & 31))) !== 0;
  }
}

function tokensOf(segments: string[]): number[] {
  const tokens: number[] = [];
  for (const segment of segments) {
    if (segment === '*') {
      if (tokens.at(-1) !== REST) tokens.push(INTO, REST);
      continue;
    }
    tokens.push(SLASH);
    for (let i = 0; i < segment.length; i++) {
      const code = segment.charCodeAt(i);
      if (code !== 42) tokens.push(code);
      else if (tokens.at(-1) !== STAR) tokens.push(STAR);
    }
  }
  return tokens;
}

function set(bits: Int32Array, i: number): void {
  bits[i >>> 5]! |= 1 << (i & 31);
}

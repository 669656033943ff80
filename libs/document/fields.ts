import { type IntRule, nearest, readText as normalText, type TextRule } from '#contracts';
import { isNull, kindName, type ListNode, type MapEntry, type MapNode, type TreeNode } from './node.js';
import { below, type Problems, shown } from './problem.js';

/**
 * Reads the fields of one map. Each reader answers undefined for a field that is absent, null or wrong, and says what is wrong;
 * so reading goes on and finds the rest. {@link done} then reports the keys that nobody asked for.
 */
export class Fields {
  private readonly byKey: Map<string, MapEntry>;
  private readonly known: string[] = [];

  constructor(
    readonly node: MapNode,
    readonly path: string,
    readonly problems: Problems,
  ) {
    this.byKey = new Map(node.entries.map((entry) => [entry.key, entry]));
  }

  has(...keys: string[]): boolean {
    return keys.some((key) => this.given(key) !== undefined);
  }

  /** Only these keys are there. */
  hasOnly(...keys: string[]): boolean {
    return this.node.entries.every((entry) => keys.includes(entry.key));
  }

  /** Holds a template that nobody has filled in: only possible in a document that is checked before there is a site. */
  isOpen(key: string): boolean {
    const value = this.given(key)?.value;
    return value?.kind === 'scalar' && value.open === true;
  }

  /** Is there, and says nothing. */
  isEmpty(key: string): boolean {
    const value = this.given(key)?.value;
    return value?.kind === 'scalar' && value.value === '';
  }

  /** Says that a field is wrong, at its value; at the map when it is absent. */
  wrong(key: string, message: string): void {
    const entry = this.byKey.get(key);
    this.problems.add(below(this.path, key), message, entry?.value.at ?? this.node.at);
  }

  /** Without a value this is a problem, unless the value is there and wrong: then there is one already. */
  need<T>(key: string, value: T | undefined, instead: T): T {
    if (value === undefined && !this.has(key)) this.wrong(key, 'is required');
    return value ?? instead;
  }

  /** The node of a field, for who reads it otherwise; undefined when it is absent or null. */
  ask(key: string): TreeNode | undefined {
    this.know(key);
    return this.given(key)?.value;
  }

  text(key: string, rule: TextRule = {}): string | undefined {
    const node = this.ask(key);
    return node && readText(node, below(this.path, key), rule, this.problems);
  }

  int(key: string, rule: IntRule): number | undefined {
    const node = this.ask(key);
    if (!node) return undefined;
    const value = node.kind === 'scalar' ? numberOf(node.value, node.source, node.loose) : undefined;
    if (node.kind === 'scalar' && node.open) return rule.min;
    if (value !== undefined && Number.isSafeInteger(value) && value >= rule.min && value <= rule.max) return value;
    this.wrong(key, `must be a whole number from ${rule.min} to ${rule.max}, not ${nameOf(node)}`);
    return undefined;
  }

  bool(key: string): boolean | undefined {
    const node = this.ask(key);
    if (!node) return undefined;
    if (node.kind === 'scalar') {
      if (node.open) return true;
      if (typeof node.value === 'boolean') return node.value;
      if (node.loose && (node.value === 'true' || node.value === 'false')) return node.value === 'true';
    }
    this.wrong(key, `must be true or false, not ${nameOf(node)}`);
    return undefined;
  }

  /** @param later values that are known and not offered: the caller says why */
  choice<const T extends string>(key: string, values: readonly T[]): T | undefined;
  choice<const T extends string, const L extends string>(
    key: string,
    values: readonly T[],
    later: readonly L[],
  ): T | L | undefined;
  choice(key: string, values: readonly string[], later: readonly string[] = []): string | undefined {
    const node = this.ask(key);
    if (!node) return undefined;
    const found =
      node.kind === 'scalar' && (node.open ? values[0] : [...values, ...later].find((value) => value === node.value));
    if (found) return found;
    const meant = node.kind === 'scalar' && typeof node.value === 'string' ? nearest(node.value, values) : undefined;
    this.wrong(
      key,
      `must be ${listed(values, 'or')}, not ${nameOf(node)}${meant ? `; did you mean ${shown(meant)}?` : ''}`,
    );
    return undefined;
  }

  map(key: string): Fields | undefined {
    const node = this.ask(key);
    if (!node) return undefined;
    if (node.kind === 'map') return new Fields(node, below(this.path, key), this.problems);
    this.wrong(key, `must be a map, not ${kindName(node)}`);
    return undefined;
  }

  /** @param read is given each item; items that it answers undefined for are left out */
  list<T>(key: string, read: (item: TreeNode, path: string, index: number) => T | undefined): T[] | undefined {
    const node = this.ask(key);
    if (!node) return undefined;
    if (node.kind !== 'list') {
      this.wrong(key, `must be a list, not ${kindName(node)}`);
      return undefined;
    }
    return itemsOf(node, below(this.path, key), read);
  }

  texts(key: string, rule: TextRule = {}): string[] | undefined {
    const texts = this.list(key, (item, path) => readText(item, path, { min: 1, max: 255, ...rule }, this.problems));
    return texts && [...new Set(texts)];
  }

  /** A list whose items are maps. */
  maps<T>(key: string, read: (fields: Fields, index: number) => T): T[] | undefined {
    return this.list(key, (item, path, index) => {
      if (item.kind === 'map') return read(new Fields(item, path, this.problems), index);
      this.problems.add(path, `must be a map, not ${kindName(item)}`, item.at);
      return undefined;
    });
  }

  /** These keys are known, whether or not somebody asks for them. */
  know(...keys: readonly string[]): void {
    for (const key of keys) if (!this.known.includes(key)) this.known.push(key);
  }

  /** The schema has this key, and nothing here could make it true. */
  notYet(key: string, what = ''): void {
    if (this.ask(key)) this.wrong(key, `is not available yet${what}`);
  }

  /** Reports every key that nobody asked for. */
  done(): void {
    for (const { key, keyAt } of this.node.entries) {
      if (this.known.includes(key)) continue;
      const meant = this.problems.wants(keyAt) ? nearest(key, this.offered()) : undefined;
      this.problems.add(
        below(this.path, key),
        `is not known here${meant ? `; did you mean ${shown(meant)}?` : `; known are ${this.known.join(', ')}`}`,
        keyAt,
      );
    }
  }

  /** Where a field has two spellings, the one without capitals comes first. */
  private offered(): string[] {
    const plain = (one: string) => Number(one !== one.toLowerCase());
    return this.known.toSorted((a, b) => plain(a) - plain(b));
  }

  private given(key: string): MapEntry | undefined {
    const entry = this.byKey.get(key);
    return entry && !isNull(entry.value) ? entry : undefined;
  }
}

export function readText(node: TreeNode, path: string, rule: TextRule, problems: Problems): string | undefined {
  const wrong = (message: string) => {
    problems.add(path, message, node.at);
    return undefined;
  };
  // A number is taken as it was written: the schema wants text, so it is one.
  const text = node.kind !== 'scalar' ? undefined : typeof node.value === 'number' ? node.source : node.value;
  if (typeof text !== 'string')
    return wrong(
      `must be text, not ${nameOf(node)}${node.kind === 'scalar' && node.value !== null ? ': write it in quotes' : ''}`,
    );
  if (node.kind === 'scalar' && node.open) return text;
  const read = normalText(text, rule);
  if ('value' in read) return read.value ?? undefined;
  return wrong(read.form && !rule.secret ? `${read.problem}, not ${shown(text)}` : read.problem);
}

function itemsOf<T>(
  node: ListNode,
  path: string,
  read: (item: TreeNode, path: string, index: number) => T | undefined,
): T[] {
  return node.items.flatMap((item, i) => {
    const value = read(item, `${path}[${i}]`, i);
    return value === undefined ? [] : [value];
  });
}

function numberOf(value: unknown, source: string | undefined, loose: boolean | undefined): number | undefined {
  if (typeof value === 'number') return value;
  return loose && source !== undefined && /^\d{1,15}$/.test(source) ? Number(source) : undefined;
}

function nameOf(node: TreeNode): string {
  return node.kind === 'scalar' && node.value !== null
    ? typeof node.value === 'string'
      ? shown(node.value)
      : node.source || String(node.value)
    : kindName(node);
}

/** `a, b or c` */
export function listed(values: readonly string[], word: 'and' | 'or'): string {
  return values.length === 1 ? `${values[0]}` : `${values.slice(0, -1).join(', ')} ${word} ${values.at(-1)}`;
}

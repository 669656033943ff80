/** What the address of a list may say: `?page=2&sort=-name&q=roof&state=offline&label=model%3Dx&!group=lab`. */
export interface ListSearch {
  page?: number;
  /** Behind which row the page begins, as the page before it was told: what came or went meanwhile shifts nothing. */
  cursor?: string;
  sort?: string;
  /** Free text. */
  q?: string;
  /** Filters, by the key of their field; a key that begins with `!` leaves out what it names. */
  [filter: string]: string | string[] | number | undefined;
}

export interface Filter {
  /** The key of a field, as `state`. */
  field: string;
  value: string;
  negated: boolean;
}

const OWN = new Set(['page', 'cursor', 'sort', 'q']);

/** For `validateSearch` of a list's route: what nobody would have written is dropped, not told. */
export function listSearch(search: Record<string, unknown>): ListSearch {
  const read: ListSearch = {};
  for (const [key, value] of Object.entries(search)) {
    if (key === 'page') {
      const page = Number(value);
      if (Number.isSafeInteger(page) && page > 1) read.page = page;
    } else if (typeof value === 'string' && value !== '') read[key] = value;
    else if (Array.isArray(value)) read[key] = value.filter((item) => typeof item === 'string');
  }
  return read;
}

/** Where the page of a list begins, as the API takes it. */
export const placeOf = ({ page, cursor }: ListSearch) => (cursor === undefined ? { page } : { cursor });

const asList = (value: ListSearch[string]): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [String(value)];

/** The filters of an address, without place, order and free text. */
export function filtersOf(search: ListSearch): Filter[] {
  return Object.entries(search).flatMap(([key, value]) => {
    if (OWN.has(key)) return [];
    const negated = key.startsWith('!');
    return asList(value).map((one) => ({ field: negated ? key.slice(1) : key, value: one, negated }));
  });
}

/** The address with other filters; it begins at the first page. */
export function withFilters(search: ListSearch, filters: readonly Filter[], q = search.q): ListSearch {
  const next: ListSearch = {};
  if (search.sort !== undefined) next.sort = search.sort;
  if (q) next.q = q;
  for (const { field, value, negated } of filters) {
    const key = negated ? `!${field}` : field;
    const present = next[key];
    next[key] = present === undefined ? value : [...new Set([...asList(present), value])];
  }
  return next;
}

/** `!group:lab` as a filter; undefined when it names none of the fields. */
export function parseFilter(text: string, fields: readonly string[]): Filter | undefined {
  const [, not, field, value] = /^(!?)([a-zA-Z]+):(.+)$/.exec(text.trim()) ?? [];
  if (field === undefined || !fields.includes(field)) return undefined;
  return { field, value: value!.trim().replace(/^"(.*)"$/, '$1'), negated: not === '!' };
}

/**
 * What was typed or pasted: filters, and words to search for. Of several filters each ends at a space, unless its value is in quotes:
 * `state:offline group:"hall 2" roof`; one alone takes all that follows.
 */
export function parseTyped(text: string, fields: readonly string[]): { filters: Filter[]; q: string } {
  const starts = [...text.matchAll(/(?<=^|\s)!?([a-zA-Z]+):/g)].filter(([, field]) => fields.includes(field!));
  const alone = starts.length === 1 ? parseFilter(text, fields) : undefined;
  if (alone) return { filters: [alone], q: '' };
  const words = [text.slice(0, starts[0]?.index)];
  const filters: Filter[] = [];
  for (const [number, { index }] of starts.entries()) {
    const part = text.slice(index, starts[number + 1]?.index);
    const [written] = /^!?[a-zA-Z]+:(?:"[^"]*"|\S*)/.exec(part)!;
    const filter = parseFilter(written, fields);
    if (filter) filters.push(filter);
    words.push(filter ? part.slice(written.length) : part);
  }
  return {
    filters,
    q: words
      .map((word) => word.trim())
      .filter(Boolean)
      .join(' '),
  };
}

/** The filters with others added: a field that has one value at a time takes the new one. */
export function addFilters(
  present: readonly Filter[],
  added: readonly Filter[],
  repeatable: readonly string[],
): Filter[] {
  const replaced = (one: Filter): boolean =>
    !repeatable.includes(one.field) &&
    added.some(({ field, negated }) => field === one.field && negated === one.negated);
  return [...present.filter((one) => !replaced(one)), ...added];
}

export const writeFilter = ({ field, value, negated }: Filter): string => `${negated ? '!' : ''}${field}:${value}`;

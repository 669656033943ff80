/** Query strings as people write them: every value is a text, a repeated key a list. */
export function parseSearch(text: string): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {};
  const all = new URLSearchParams(text);
  for (const key of new Set(all.keys())) {
    const values = all.getAll(key);
    found[key] = values.length > 1 ? values : values[0]!;
  }
  return found;
}

export function stringifySearch(search: Record<string, unknown>): string {
  const written = new URLSearchParams();
  for (const [key, value] of Object.entries(search))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== '') written.append(key, String(one));
  const text = written.toString();
  return text === '' ? '' : `?${text}`;
}

import { ValidateBy } from 'class-validator';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
const VALUE = /^[\t\x20-\x7e]{0,4096}$/;
const TEMPLATE = /\{\{[^}]*\}\}/;
const MAX_HEADERS = 100;

/** A header of a request: the name is a token of RFC 7230, the value printable ASCII or tab. */
export class HeaderPair {
  name: string;
  value: string;
}

export function isHeaderList(value: unknown): value is HeaderPair[] {
  if (!Array.isArray(value) || value.length > MAX_HEADERS) return false;
  return value.every((pair: unknown) => {
    if (typeof pair !== 'object' || pair === null || Object.keys(pair).sort().join() !== 'name,value') return false;
    const { name, value } = pair as Record<string, unknown>;
    return typeof name === 'string' && TOKEN.test(name) && typeof value === 'string' && VALUE.test(value) && !TEMPLATE.test(name) && !TEMPLATE.test(value);
  });
}

/** integration-api.md §3.5: `[{name, value}]`, without `{{…}}` in either. */
export const IsHeaderList = () =>
  ValidateBy({
    name: 'isHeaderList',
    validator: {
      validate: isHeaderList,
      defaultMessage: () => `$property must be a list of at most ${MAX_HEADERS} {name, value}: a header name, and printable ASCII without {{…}}`,
    },
  });

/** What the schema of such a field says. */
export const HEADER_LIST = {
  type: 'array' as const, nullable: true, maxItems: MAX_HEADERS,
  items: { type: 'object', required: ['name', 'value'], properties: { name: { type: 'string' }, value: { type: 'string' } } },
};

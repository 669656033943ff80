import { RuleWithin, type Within } from '#platform';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
const VALUE = /^[\t\x20-\x7e]{0,4096}$/;
const TEMPLATE = /\{\{[^}]*\}\}/;
const MAX_HEADERS = 100;

/** A header of a request: the name is a token of RFC 7230, the value printable ASCII or tab. */
export class HeaderPair {
  name: string;
  value: string;
}

function problemsOf(headers: unknown): Within[] {
  if (!Array.isArray(headers) || headers.length > MAX_HEADERS)
    return [{ place: '', problem: `must be a list of at most ${MAX_HEADERS} {name, value}` }];
  return headers.flatMap((pair: unknown, i) => {
    if (
      typeof pair !== 'object' ||
      pair === null ||
      Object.keys(pair).some((key) => key !== 'name' && key !== 'value')
    ) {
      return [{ place: String(i), problem: 'must be {name, value} and nothing else' }];
    }
    const { name, value } = pair as Record<string, unknown>;
    return [
      ...(typeof name === 'string' && TOKEN.test(name) && !TEMPLATE.test(name)
        ? []
        : [{ place: `${i}.name`, problem: 'must be the name of a header' }]),
      ...(typeof value === 'string' && VALUE.test(value) && !TEMPLATE.test(value)
        ? []
        : [{ place: `${i}.value`, problem: 'must be printable ASCII without {{…}}' }]),
    ];
  });
}

/** docs/integration-api.md §3.5: `[{name, value}]`, without `{{…}}` in either. */
export const IsHeaderList = () => RuleWithin('isHeaderList', problemsOf);

/** What the schema of such a field says. */
export const HEADER_LIST = {
  type: 'array' as const,
  nullable: true,
  maxItems: MAX_HEADERS,
  items: {
    type: 'object',
    required: ['name', 'value'],
    properties: { name: { type: 'string' }, value: { type: 'string' } },
  },
};

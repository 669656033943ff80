import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { MAX_HEADERS, TEXTS } from '#blueprint';
import { readText, type TextRule } from '#contracts';
import { RuleWithin, type Within } from '#platform';

/** A header of a request: the name is a token of RFC 7230, the value printable ASCII or tab, or nothing. */
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
      ...entryProblem(`${i}.name`, name, TEXTS.headerName),
      ...entryProblem(`${i}.value`, value, TEXTS.headerValue),
    ];
  });
}

function entryProblem(place: string, given: unknown, rule: TextRule): Within[] {
  const read = typeof given === 'string' ? readText(given, rule) : { problem: 'must be a string' };
  return 'problem' in read ? [{ place, problem: read.problem }] : [];
}

/** docs/integration-api.md §3.5: `[{name, value}]`, without `{{…}}` in either; an empty list is none. */
export const IsHeaderList = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => (Array.isArray(value) && value.length === 0 ? null : value), {
      toClassOnly: true,
    }),
    RuleWithin('isHeaderList', problemsOf),
  );

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

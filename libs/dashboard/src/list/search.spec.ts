import { describe, expect, it } from 'vitest';
import { parseSearch, stringifySearch } from '../address';
import { addFilters, filtersOf, listSearch, parseFilter, parseTyped, withFilters, writeFilter } from './search';

describe('an address', () => {
  it('says filters as people write them, repeated ones too', () => {
    const text = '?q=roof&state=offline&label=model%3Dx&label=site%3Db&%21group=lab';
    const search = listSearch(parseSearch(text));
    expect(filtersOf(search).map(writeFilter)).toEqual([
      'state:offline',
      'label:model=x',
      'label:site=b',
      '!group:lab',
    ]);
    expect(stringifySearch(search)).toBe(text);
  });

  it('keeps texts that look like numbers, and drops what nobody would have written', () => {
    expect(listSearch(parseSearch('?q=1234&page=3&hardwareId=007'))).toEqual({ q: '1234', page: 3, hardwareId: '007' });
    expect(listSearch(parseSearch('?page=-1&q='))).toEqual({});
    expect(listSearch(parseSearch('?page=x'))).toEqual({});
  });

  it('begins at the first page when the filters change, and keeps the order', () => {
    const search = { page: 4, sort: '-name', q: 'roof', state: 'offline' };
    const more = [...filtersOf(search), { field: 'state', value: 'pending', negated: false }];
    expect(withFilters(search, more)).toEqual({ sort: '-name', q: 'roof', state: ['offline', 'pending'] });
    expect(withFilters(search, [], '')).toEqual({ sort: '-name' });
  });
});

describe('a filter', () => {
  it('is read from the box', () => {
    expect(parseFilter('!group:lab 2', ['group'])).toEqual({ field: 'group', value: 'lab 2', negated: true });
    expect(parseFilter('label:model=x:y', ['label'])).toEqual({ field: 'label', value: 'model=x:y', negated: false });
    expect(parseFilter('http://x', ['label'])).toBeUndefined();
    expect(parseFilter('state:', ['state'])).toBeUndefined();
  });

  it('is read among others and among words', () => {
    const read = (text: string) => {
      const { filters, q } = parseTyped(text, ['state', 'label', 'group']);
      return [...filters.map(writeFilter), q];
    };
    expect(read('state:offline label:model=x !group:lab roof 2')).toEqual([
      'state:offline',
      'label:model=x',
      '!group:lab',
      'roof 2',
    ]);
    expect(read('north state:offline group:"hall 2" http://x')).toEqual([
      'state:offline',
      'group:hall 2',
      'north http://x',
    ]);
    expect(read('group:hall 2')).toEqual(['group:hall 2', '']);
    expect(read('state: north')).toEqual(['state:north', '']);
    expect(read('just words')).toEqual(['just words']);
  });

  it('takes the place of another one of its field, unless several have a meaning', () => {
    const of = (...texts: string[]) => texts.map((text) => parseFilter(text, ['state', 'label'])!);
    expect(
      addFilters(of('state:offline', 'label:a', '!state:x'), of('state:pending', 'label:b'), ['label']).map(
        writeFilter,
      ),
    ).toEqual(['label:a', '!state:x', 'state:pending', 'label:b']);
  });
});

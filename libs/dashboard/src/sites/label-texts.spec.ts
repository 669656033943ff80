import { expect, it } from 'vitest';
import { labelsOf, writeLabels } from './label-texts';

it('reads labels as people write them, and writes them back', () => {
  expect(labelsOf(['hall=b', 'query=a=b', 'spare', ' line = 4 '])).toEqual({
    hall: 'b',
    query: 'a=b',
    spare: '',
    line: '4',
  });
  expect(labelsOf(writeLabels({ hall: 'b', spare: '' }))).toEqual({ hall: 'b', spare: '' });
  // What the API refuses is sent as it was typed.
  expect(labelsOf(['=b'])).toEqual({ '': 'b' });
});

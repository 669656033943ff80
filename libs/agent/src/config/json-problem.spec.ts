import { describe, expect, it } from 'vitest';
import { jsonProblem } from './json-problem.js';

describe('what is wrong with JSON', () => {
  it.each([
    ['{\n  "a": 1,\n}', 'line 2, column 9: a comma before the end of the object, which JSON does not allow'],
    ['{"a": [1, 2,]}', 'line 1, column 12: a comma before the end of the list, which JSON does not allow'],
    ['{\r\n  "a": 1\r\n  "b": 2\r\n}', 'line 3, column 3: a comma or the end of the object is missing'],
    ['{"a": "x', 'line 1, column 7: the text in double quotes that begins here does not end on its line'],
    ['{"a": 1', 'line 1, column 8: a comma or the end of the object is missing, the text ends here'],
    ['{', 'line 1, column 2: a name in double quotes is missing, the text ends here'],
    ["{'a': 1}", 'line 1, column 2: single quotes: JSON has double quotes only'],
    ['{a: 1}', 'line 1, column 2: a name in double quotes is missing'],
    ['{"a" 1}', 'line 1, column 6: a colon is missing'],
    ['{"a": }', 'line 1, column 7: a value is missing'],
    ['{"a":', 'line 1, column 6: a value is missing, the text ends here'],
    ['{"a": yes}', 'line 1, column 7: a value that is none of JSON: a text needs double quotes'],
    ['{"a": 01}', 'line 1, column 7: a value that is none of JSON: a text needs double quotes'],
    ['// x\n{}', 'line 1, column 1: a comment, which JSON does not have'],
    ['{\n"a": 1 // x\n}', 'line 2, column 8: a comment, which JSON does not have'],
    ['{"p": "C:\\path"}', 'line 1, column 10: a backslash that is not doubled'],
    ['{"p": "a\tb"}', 'line 1, column 9: a control character in a text'],
    ['{} {}', 'line 1, column 4: something follows the end of the object'],
    ['[['.repeat(500), 'line 1, column 201: more than 200 levels'],
  ])('%j: %s', (text, problem) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(jsonProblem(text)).toBe(problem);
  });

  it('finds nothing wrong where nothing is', () => {
    const text = ' {"a": [1, -2.5e+3, "\\u00e9 \\" ü", true, null, {}, []], "b": {"c": false}} \n';
    expect(() => JSON.parse(text)).not.toThrow();
    expect(jsonProblem(text)).toBe('it cannot be parsed');
  });
});

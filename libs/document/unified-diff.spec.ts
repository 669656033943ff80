import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { unifiedDiff } from './unified-diff.js';

const names = { before: 'a/document', after: 'b/document' };
const folder = mkdtempSync(join(tmpdir(), 'diff-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a unified diff', () => {
  it('shows changes with the lines around them', () => {
    const before = Array.from({ length: 20 }, (_, i) => `line ${i + 1}\n`).join('');
    const after = before.replace('line 4\n', 'line four\n').replace('line 18\n', '').concat('line 21');
    expect(unifiedDiff(before, after, names)).toBe(`--- a/document
+++ b/document
@@ -1,7 +1,7 @@
 line 1
 line 2
 line 3
-line 4
+line four
 line 5
 line 6
 line 7
@@ -15,6 +15,6 @@
 line 15
 line 16
 line 17
-line 18
 line 19
 line 20
+line 21
\\ No newline at end of file
`);
  });

  it('is empty when nothing changed', () => expect(unifiedDiff('a\n', 'a\n', names)).toBe(''));

  it('keeps what both have', () => {
    const text = fc
      .array(fc.constantFrom('a\n', 'b\n', 'c\n', '\n', 'd'), { maxLength: 30 })
      .map((lines) => lines.join(''));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = unifiedDiff(before, after, names)
          .split('\n')
          .slice(2, -1)
          .filter((line) => /^[ +-]/.test(line));
        const [removed, added] = [
          lines.filter((line) => line.startsWith('-')),
          lines.filter((line) => line.startsWith('+')),
        ];
        // No line is said to be gone and added as the same between the same neighbours: the shortest edits hold no such pair.
        const count = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g)?.length ?? 0;
        expect(added.length - removed.length).toBe(count(after) - count(before));
        expect(removed.length + added.length).toBe(shortest(before, after));
      }),
      { numRuns: 300 },
    );
  });

  it('is one that git applies', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '-', '+', '@', 'ü'), maxLength: 4 });
    const text = fc
      .tuple(fc.array(line, { maxLength: 40 }), fc.constantFrom('', '\n'))
      .map(([lines, end]) => lines.join('\n') + end);
    for (const [before, after] of fc.sample(fc.tuple(text, text), { numRuns: 25, seed: 7 })) {
      if (before === '' || after === '' || before === after) continue;
      writeFileSync(join(folder, 'document'), before);
      execFileSync('git', ['apply', '--whitespace=nowarn', '-'], {
        cwd: folder,
        input: unifiedDiff(before, after, names),
      });
      expect(readFileSync(join(folder, 'document'), 'utf8')).toBe(after);
    }
  });

  it('of texts that have nothing in common ends, and replaces one by the other', () => {
    const [before, after] = ['a', 'b'].map((sign) =>
      Array.from({ length: 40_000 }, (_, i) => `${sign}${i}\n`).join(''),
    );
    expect(unifiedDiff(before!, after!, names).split('\n')).toHaveLength(80_004);
  });
});

/** Lines that are no part of a longest common subsequence, by the table. */
function shortest(before: string, after: string): number {
  const [a, b] = [before, after].map((text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
  let row = Array.from({ length: b!.length + 1 }, () => 0);
  for (const one of a!) {
    const next = [0];
    b!.forEach((other, j) => next.push(one === other ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!)));
    row = next;
  }
  return a!.length + b!.length - 2 * row.at(-1)!;
}

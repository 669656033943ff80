/** Beyond so many changed lines nobody reads which of them are alike: the whole part counts as replaced. */
const MAX_EDITS = 400;
const CONTEXT = 3;

type Line = { sign: ' ' | '-' | '+'; text: string };

/** What changed between two texts, as `diff -u` says it; empty when nothing did. */
export function unifiedDiff(before: string, after: string, names: { before: string; after: string }): string {
  if (before === after) return '';
  const lines = changes(linesOf(before), linesOf(after));
  return [`--- ${names.before}`, `+++ ${names.after}`, ...hunks(lines)].join('\n').concat('\n');
}

/** Each with its line end, so that a last line without one is another line. */
const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** What both have in front and at the end is no matter for the search. */
function changes(before: string[], after: string[]): Line[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end++;
  return [
    ...before.slice(0, start).map(kept),
    ...edits(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map(kept),
  ];
}

const kept = (text: string): Line => ({ sign: ' ', text });
const gone = (text: string): Line => ({ sign: '-', text });
const added = (text: string): Line => ({ sign: '+', text });

/** The shortest edits: E. Myers, An O(ND) Difference Algorithm and Its Variations (1986). */
function edits(before: string[], after: string[]): Line[] {
  const replaced = [...before.map(gone), ...after.map(added)];
  const most = Math.min(MAX_EDITS, before.length + after.length);
  // furthest.get(k): how far in `before` one comes on the diagonal k with so many edits.
  const steps: Map<number, number>[] = [];
  let furthest = new Map([[1, 0]]);
  for (let edit = 0; edit <= most; edit++) {
    steps.push(furthest);
    const next = new Map(furthest);
    for (let k = -edit; k <= edit; k += 2) {
      let x = isDown(furthest, k, edit) ? at(furthest, k + 1) : at(furthest, k - 1) + 1;
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++;
      next.set(k, x);
      if (x >= before.length && x - k >= after.length) return path(before, after, steps);
    }
    furthest = next;
  }
  return replaced;
}

const at = (furthest: Map<number, number>, k: number): number => furthest.get(k) ?? -1;
const isDown = (furthest: Map<number, number>, k: number, edit: number): boolean =>
  k === -edit || (k !== edit && at(furthest, k - 1) < at(furthest, k + 1));

/** Back from the end to the start. */
function path(before: string[], after: string[], steps: Map<number, number>[]): Line[] {
  const lines: Line[] = [];
  let [x, y] = [before.length, after.length];
  for (let edit = steps.length - 1; edit >= 0; edit--) {
    const furthest = steps[edit]!;
    const k = x - y;
    const down = isDown(furthest, k, edit);
    const fromX = edit === 0 ? 0 : at(furthest, down ? k + 1 : k - 1);
    const fromY = edit === 0 ? 0 : fromX - (down ? k + 1 : k - 1);
    const [changedX, changedY] = edit === 0 ? [0, 0] : down ? [fromX, fromY + 1] : [fromX + 1, fromY];
    while (x > changedX && y > changedY) {
      lines.push(kept(before[--x]!));
      y--;
    }
    if (edit > 0) lines.push(down ? added(after[--y]!) : gone(before[--x]!));
  }
  return lines.reverse();
}

/** Changes with the lines around them, those near each other together. */
function hunks(lines: Line[]): string[] {
  const changed = lines.flatMap(({ sign }, i) => (sign === ' ' ? [] : [i]));
  const groups: [first: number, last: number][] = [];
  for (const i of changed) {
    const group = groups.at(-1);
    if (group && i - group[1] <= 2 * CONTEXT) group[1] = i;
    else groups.push([i, i]);
  }
  let [line, oldLine, newLine] = [0, 0, 0];
  return groups.flatMap(([first, last]) => {
    const start = Math.max(0, first - CONTEXT);
    for (; line < start; line++) [oldLine, newLine] = after(lines[line]!, oldLine, newLine);
    const [oldStart, newStart] = [oldLine, newLine];
    const shown = lines.slice(start, last + CONTEXT + 1);
    for (const one of shown) [oldLine, newLine] = after(one, oldLine, newLine);
    line = start + shown.length;
    const range = (from: number, to: number) => (to === from ? `${from},0` : `${from + 1},${to - from}`);
    return [`@@ -${range(oldStart, oldLine)} +${range(newStart, newLine)} @@`, ...shown.flatMap(written)];
  });
}

const after = ({ sign }: Line, oldLine: number, newLine: number): [number, number] => [
  oldLine + Number(sign !== '+'),
  newLine + Number(sign !== '-'),
];

function written({ sign, text }: Line): string[] {
  return text.endsWith('\n') ? [sign + text.slice(0, -1)] : [sign + text, '\\ No newline at end of file'];
}

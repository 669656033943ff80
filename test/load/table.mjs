// The one table that a run prints, and whether every target was reached.
import { round } from './lib.mjs';

export class Table {
  #rows = [];
  #notes = [];

  /** `target`: { atLeast } or { below }, of `ratio` or, where there is none, of `value`. `goal`: what is aimed at beyond it, as `target`. */
  row(row) {
    const measured = row.ratio ?? row.value;
    const reached = isReached(measured, row.target);
    const reachedGoal = row.goal !== undefined && isReached(measured, row.goal);
    this.#rows.push({ ...row, measured, reached, reachedGoal });
    console.error(
      `  ${row.what}: ${row.ours}; ${round(measured, 4)} (${targetText(row.target)}) ${reached ? 'reached' : 'NOT reached'}`,
    );
  }

  note(text) {
    this.#notes.push(text);
    console.error(`  ${text}`);
  }

  get missed() {
    return this.#rows.filter((row) => !row.reached).length;
  }

  toString() {
    const header = [
      'what',
      'Gatehouse',
      'measured against',
      'ratio',
      'target',
      'goal',
      'reached',
      'incumbent, elsewhere',
    ];
    const lines = this.#rows.map((r) => [
      r.what,
      r.ours,
      r.against ?? '–',
      r.ratio === undefined ? '–' : String(round(r.ratio, r.ratio < 0.2 ? 4 : 2)),
      targetText(r.target, r.unit),
      r.goal ? targetText(r.goal, r.unit) : '–',
      !r.reached ? 'NO' : r.reachedGoal ? 'goal' : 'yes',
      r.incumbent ?? '–',
    ]);
    const widths = header.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i].length)));
    const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
    return [
      line(header),
      `|${widths.map((w) => '-'.repeat(w + 2)).join('|')}|`,
      ...lines.map(line),
      '',
      ...this.#notes.map((n) => `- ${n}`),
    ].join('\n');
  }
}

function isReached(measured, { atLeast, below }) {
  return atLeast !== undefined ? measured >= atLeast : measured <= below;
}

function targetText({ atLeast, below }, unit = '') {
  return atLeast !== undefined ? `≥ ${atLeast}${unit}` : `≤ ${below}${unit}`;
}

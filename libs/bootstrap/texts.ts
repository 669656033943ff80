import { TEXT_FILTERS, type TextFilter } from '#contracts';
import { Fields, kindName, type Problems, type ScalarNode, type Source, shown, type TreeNode } from '#document';
import type { Namespace, Template, Text } from './model.js';
import { BOOTSTRAP_LIMITS, textProblem, wantedVariableProblem } from './rules.js';
import { ESCAPE, readTemplate, shownTemplate } from './template.js';

/** Which templates may stand in a text, and what is said of others. */
export type Place = { namespaces: readonly Namespace[]; because: Partial<Record<Namespace, string>> };

/** How texts with templates are written: in a document as one text, on the wire as parts. */
export interface Texts {
  /** On the wire nothing is left out, and what is not known is from a newer server. */
  readonly wire: boolean;
  /** @returns undefined after a problem */
  read(node: TreeNode, path: string, place: Place): Text | undefined;
  /** Whether a text that takes no templates holds one. */
  hasTemplate(node: TreeNode): boolean;
}

const STILL_A_TEMPLATE = /\{\{[^{}\n\r]+\}\}/;
/** Braces alone are text; with a name behind them somebody meant a template. */
const OPENED = /\{\{[ \t]*[A-Za-z_].*/;

/** Texts of a document, whose templates were taken out before it was parsed. */
export class DocumentTexts implements Texts {
  readonly wire = false;
  /** An alias is the node of its anchor: read once, however often it is written. */
  private readonly done = new Map<TreeNode, Map<Place, Text | undefined>>();

  constructor(
    private readonly source: Source,
    private readonly problems: Problems,
  ) {}

  hasTemplate(node: TreeNode): boolean {
    return (
      typeof (node as ScalarNode).value === 'string' &&
      this.source.split(`${(node as ScalarNode).value}`).some((part) => typeof part !== 'string')
    );
  }

  read(node: TreeNode, path: string, place: Place): Text | undefined {
    const known = this.done.get(node) ?? new Map<Place, Text | undefined>();
    if (!known.has(place)) this.done.set(node, known.set(place, this.readOnce(node, path, place)));
    return known.get(place);
  }

  private readOnce(node: TreeNode, path: string, place: Place): Text | undefined {
    const written = node.kind !== 'scalar' ? undefined : typeof node.value === 'number' ? node.source : node.value;
    if (typeof written !== 'string') {
      const hint =
        node.kind === 'scalar' ? (node.value === null ? ': write "" for no text' : ': write it in quotes') : '';
      this.problems.add(path, `must be text, not ${kindName(node)}${hint}`, node.at);
      return undefined;
    }
    this.findMisread(written, node.at, path);
    return joined(
      this.source.split(written).flatMap((part) => {
        if (typeof part !== 'string') return this.template(part, path, place);
        const problem = textProblem(part);
        if (problem) this.problems.add(path, problem, node.at);
        return part;
      }),
    );
  }

  private template({ raw, at }: { raw: string; at: number }, path: string, place: Place): (string | Template)[] {
    const read = readTemplate(raw);
    const problem = 'problem' in read ? read.problem : standsWrong(read.template, place);
    if (problem !== undefined)
      this.problems.add(path, 'problem' in read ? problem : `${shownTemplate(raw)} ${problem}`, at);
    if (!('template' in read)) return [];
    return [typeof read.template === 'string' ? read.template : { ...read.template, ...this.source.place(at) }];
  }

  /** What looks like a template and is none, where it stands if it is written there as it was read. */
  private findMisread(written: string, at: number, path: string): void {
    const left = STILL_A_TEMPLATE.exec(written)?.[0];
    const opened = left ?? OPENED.exec(written)?.[0];
    if (opened === undefined) return;
    const found = this.source.masked.indexOf(opened, at);
    const raw = this.source.unmask(opened);
    const read = left === undefined ? undefined : readTemplate(raw);
    const what = left === undefined ? 'begins a template that does not end' : 'is not understood';
    const problem = read && 'problem' in read ? read.problem : `${shown(raw)} ${what}; ${ESCAPE}`;
    this.problems.add(path, problem, found < 0 ? at : found);
  }
}

/** Texts of a bundle: literal parts, and what the agent fills in. */
export class WireTexts implements Texts {
  readonly wire = true;

  constructor(private readonly problems: Problems) {}

  hasTemplate(): boolean {
    return false;
  }

  read(node: TreeNode, path: string, place: Place): Text | undefined {
    if (node.kind !== 'list') return this.wrong(path, `must be a list of parts, not ${kindName(node)}`);
    return node.items.flatMap((item, i) => this.part(item, `${path}[${i}]`, place) ?? []);
  }

  private part(node: TreeNode, path: string, place: Place): string | Template | undefined {
    if (node.kind === 'scalar' && typeof node.value === 'string') {
      const problem = textProblem(node.value);
      return problem === undefined ? node.value : this.wrong(path, problem);
    }
    if (node.kind !== 'map') return this.wrong(path, `must be text or {env}, not ${kindName(node)}`);
    const f = new Fields(node, path, this.problems);
    const name = f.need('env', f.text('env', { max: 255 }), 'X');
    const problem = wantedVariableProblem(name) ?? standsWrong({ from: 'env' }, place);
    if (problem !== undefined) f.wrong('env', problem);
    const fallback = f.text('default', { max: BOOTSTRAP_LIMITS.variableBytes, lines: true });
    const filters = f.list('filters', (item, at) => this.filter(item, at)) ?? [];
    if (filters.length > BOOTSTRAP_LIMITS.filters) f.wrong('filters', `may have ${BOOTSTRAP_LIMITS.filters} items`);
    const at = { min: 0, max: Number.MAX_SAFE_INTEGER };
    const where = { line: f.int('line', at) ?? 0, column: f.int('column', at) ?? 0 };
    return { from: 'env', name, ...(fallback === undefined ? {} : { default: fallback }), filters, ...where };
  }

  private filter(node: TreeNode, path: string): TextFilter | undefined {
    const found = TEXT_FILTERS.find((one) => node.kind === 'scalar' && node.value === one);
    return found ?? this.wrong(path, `must be one of ${TEXT_FILTERS.join(', ')}`);
  }

  private wrong(path: string, message: string): undefined {
    this.problems.add(path, message, -1);
  }
}

function standsWrong(template: { from: Namespace } | string, place: Place): string | undefined {
  if (typeof template === 'string' || place.namespaces.includes(template.from)) return undefined;
  return place.because[template.from] ?? 'cannot stand here';
}

/** Neighbouring literals as one. */
export function joined<T>(parts: readonly (string | T)[]): (string | T)[] {
  const result: (string | T)[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (part === '') continue;
    if (typeof part === 'string' && typeof last === 'string') result[result.length - 1] = last + part;
    else result.push(part);
  }
  return result;
}

import { nearest, TEXT_FILTERS, type TextFilter } from '#contracts';
import { shown } from '#document';
import { NAMESPACES, type Namespace, SITE_FIELDS, type Template } from './model.js';
import { BOOTSTRAP_LIMITS, wantedVariableProblem } from './rules.js';

const HEAD = /^([A-Za-z0-9_]+)\.([A-Za-z0-9_](?:[A-Za-z0-9._/-]*[A-Za-z0-9_])?)\s*(?=\||$)/;
const STEP = /^\|\s*([A-Za-z0-9_]+)(?:\s+"([^"]*)")?\s*/;
const LITERAL = /^"([^"]*)"$/;
const SECRET = /^[A-Z][A-Z0-9_]*$/;
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;

const FORMS =
  '{{secret.NAME}}, {{site.niceId}}, {{label.NAME}}, {{org.id}}, {{env.NAME}} or {{env.NAME | default "text"}}';
/** How a document says braces that are no template. */
export const ESCAPE = 'write {{"{{"}} for the braces themselves';

/** A template without its place; a string is text that stands for itself, `{{"{{"}}`. */
export type ReadTemplate = { template: Omit<Template, 'line' | 'column'> | string } | { problem: string };

/** Reads what stands in `{{…}}`, braces included. In a quoted text its quotes may be escaped. */
export function readTemplate(raw: string): ReadTemplate {
  const inner = raw.slice(2, -2).trim().replaceAll('\\"', '"');
  const literal = LITERAL.exec(inner);
  if (literal) return { template: literal[1]! };
  const head = HEAD.exec(inner);
  if (!head) return { problem: `${shownTemplate(raw)} is not understood: write ${FORMS}; ${ESCAPE}` };
  const [whole, from = '', name = ''] = head;
  const unknown = nameProblem(from, name);
  if (unknown) return { problem: `${shownTemplate(raw)} is not understood: ${unknown}` };
  const steps = readSteps(inner.slice(whole.length));
  if ('problem' in steps) return { problem: `${shownTemplate(raw)} is not understood: ${steps.problem}` };
  if (steps.default !== undefined && (from === 'secret' || from === 'org'))
    return { problem: `${shownTemplate(raw)} is never without a value: it has no default` };
  return { template: { from: from as Namespace, name, ...steps } };
}

/** On one line, and short. */
export const shownTemplate = (raw: string): string => (raw.length > 80 ? `${raw.slice(0, 78)}…` : raw);

function nameProblem(from: string, name: string): string | undefined {
  if (!NAMESPACES.includes(from as Namespace)) return `there is no ${shown(from)}${meant(from, NAMESPACES)}`;
  if (from === 'secret' && !SECRET.test(name))
    return `a secret has a name of capitals, digits and "_"${SECRET.test(name.toUpperCase()) ? `; did you mean ${name.toUpperCase()}?` : ''}`;
  if (from === 'site' && !SITE_FIELDS.includes(name as never))
    return `a site has ${SITE_FIELDS.join(', ')}, not ${shown(name)}${meant(name, SITE_FIELDS)}`;
  if (from === 'org' && name !== 'id') return `an organization has id, not ${shown(name)}`;
  if (from === 'label' && !LABEL.test(name)) return `${shown(name)} is not the key of a label`;
  return from === 'env' ? wantedVariableProblem(name) : undefined;
}

function readSteps(text: string): { default?: string; filters: TextFilter[] } | { problem: string } {
  const filters: TextFilter[] = [];
  let fallback: string | undefined;
  for (let rest = text; rest !== ''; ) {
    const step = STEP.exec(rest);
    if (!step) return { problem: `${shown(rest)} is no filter; there are ${TEXT_FILTERS.join(', ')}` };
    const [whole, name = '', argument] = step;
    rest = rest.slice(whole.length);
    if (name === 'default') {
      if (argument === undefined) return { problem: 'write default "text", in double quotes' };
      if (fallback !== undefined || filters.length > 0) return { problem: 'a default stands once, before any filter' };
      fallback = argument;
    } else if (!TEXT_FILTERS.includes(name as TextFilter))
      return {
        problem: `there is no filter ${shown(name)}${meant(name, [...TEXT_FILTERS, 'default']) || `; there are ${TEXT_FILTERS.join(', ')}`}`,
      };
    else if (argument !== undefined) return { problem: `the filter ${name} takes nothing` };
    else filters.push(name as TextFilter);
  }
  if (filters.length > BOOTSTRAP_LIMITS.filters)
    return { problem: `at most ${BOOTSTRAP_LIMITS.filters} filters follow each other` };
  return { ...(fallback === undefined ? {} : { default: fallback }), filters };
}

function meant(word: string, known: readonly string[]): string {
  const one = nearest(word, known);
  return one === undefined ? '' : `; did you mean ${one}?`;
}

import { nameProblem, normalName } from './names.js';

/**
 * The rule of a field that holds text: the API and documents read it by the same one (docs/adr/0038). What it takes has one normal form,
 * which is what is stored.
 */
export interface TextRule {
  /** Characters, as people count them: code points. */
  min?: number;
  max?: number;
  /** What the text must be, as `must be …`, when it is not. */
  form?: readonly [test: (text: string) => boolean, description: string];
  /** A name that people read: taken in NFC, and nothing in it is invisible. */
  name?: boolean;
  /** Line ends are welcome, and are `\n`. */
  lines?: boolean;
  /** Its value is in no message. */
  secret?: boolean;
  /** Nothing, "", is null: who clears a field by an empty one means that it has no value. */
  empty?: 'null';
  /** Of what the rule takes. */
  normal?: (text: string) => string;
}

/** The rule of a field that holds a whole number. */
export interface IntRule {
  min: number;
  max: number;
}

const CONTROL =
  /[\u0000-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** The normal form of a text, or why it is not taken; `form`: it is not of the form that the rule asks for. */
export type ReadText = { value: string | null } | { problem: string; form?: true };

export function readText(given: string, rule: TextRule): ReadText {
  const { min = 0, max = 4096, form, name, lines } = rule;
  if (given === '' && rule.empty === 'null') return { value: null };
  const text = name ? normalName(given) : lines ? given.replace(/\r\n?/g, '\n') : given;
  if (!name && CONTROL.test(lines ? text.replace(/[\n\t]/g, '') : text))
    return { problem: 'must not contain control characters' };
  const length = [...text].length;
  if (name ? length === 0 : length < min)
    return { problem: min > 1 ? `must have at least ${min} characters` : 'must not be empty' };
  if (length > max) return { problem: `must have at most ${max} characters` };
  const problem = name ? nameProblem(text) : undefined;
  if (problem !== undefined) return { problem };
  if (form && !form[0](text)) return { problem: `must be ${form[1]}`, form: true };
  return { value: rule.normal ? rule.normal(text) : text };
}

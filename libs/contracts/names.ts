import type { TextRule } from './fields.js';

/** What a name that people read may be made of, the same in the API, in claims and in documents. */

/** Zero width (non-)joiners are letters of these scripts, and hold emoji together; anywhere else nobody sees them. */
const JOINING = '[\\p{L}\\p{M}\\p{Extended_Pictographic}\\p{EMod}\\ufe0f]';
const LATIN = '[\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{Script=Han}]';
const JOINERS = new RegExp(`(?<=${JOINING})(?<!${LATIN})[\\u200c\\u200d](?=${JOINING})(?!${LATIN})`, 'gu');
/** Which form of an emoji is meant. */
const SELECTORS = /(?<=[\p{Emoji}])[\ufe0e\ufe0f]/gu;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const INVISIBLE = /[\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{Cs}\p{Noncharacter_Code_Point}\ufff9-\ufffb]/u;
/** Printable ASCII that is not blank: what most names are, and nothing of the rest applies to it. */
const PLAIN = /^ *[!-~][ -~]*$/;
/** Spaces of any width; the empty pattern of Braille is one that Unicode calls a symbol. */
const BLANK = /^[\p{White_Space}\u2800]*$/u;
const SPACES = /[\p{White_Space}\u2800]+/gu;

/** One spelling for what looks the same. */
export const normalName = (name: string): string => name.normalize('NFC');

/** Why a text is no name, or undefined. It is looked at as it is: see {@link normalName}. */
export function nameProblem(name: string): string | undefined {
  if (PLAIN.test(name)) return undefined;
  if (CONTROL.test(name)) return 'must not contain control characters';
  if (BLANK.test(name)) return 'must not be blank';
  if (INVISIBLE.test(name.replace(JOINERS, '').replace(SELECTORS, '')))
    return 'must not contain invisible characters or ones that change the direction of writing';
  return undefined;
}

/**
 * The same for names that people take for each other: case, width, compatibility forms, spaces and whatever cannot be seen do not count
 * (NFKC_Casefold of Unicode, with spaces).
 */
export function nameKey(name: string): string {
  const visible = name.normalize('NFKC').replace(/\p{Default_Ignorable_Code_Point}/gu, '');
  return visible.toUpperCase().toLowerCase().normalize('NFKC').replace(SPACES, ' ').trim();
}

/** A niceId: nothing that a path could take for a number, a folder or its own end. */
export const NICE_ID_RULE: TextRule = {
  max: 255,
  name: true,
  form: [
    (text) => !/^\d+$|^\.\.?$|^<<$|[/?#]/.test(text) && text.trim() === text,
    'other than digits alone, ".", ".." and "<<", without "/", "?" and "#", and without spaces at its ends',
  ],
};

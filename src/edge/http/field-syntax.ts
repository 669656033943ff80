/** The characters of RFC 9110 §5, as tables: what comes from strangers is judged by loops over these, never by patterns. */

const table = (isOf: (code: number) => boolean) => Uint8Array.from({ length: 256 }, (_, code) => (isOf(code) ? 1 : 0));

/** Of names of fields and of methods: `token`. */
export const TOKEN = table((code) => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)));
/** Of values of fields: visible, space, tab and the upper half of ISO 8859-1. */
export const VALUE = table((code) => code === 9 || (code >= 32 && code !== 127));

/** Whether every character is of the table; nothing is not. */
export function isAll(of: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!of[text.charCodeAt(i)]) return false;
  return text.length > 0;
}

/** A value of a field may be nothing. */
export const isFieldValue = (text: string) => text.length === 0 || isAll(VALUE, text);

/** Whether this is nothing but digits, so many that a number holds them exactly. */
export function isLength(text: string): boolean {
  if (text.length === 0 || text.length > 15) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return true;
}

/**
 * The members of a list such as that of `Connection`, in lower case, without empty ones.
 * @param value may be of several fields, with commas between
 */
export function listOf(value: string): string[] {
  const members: string[] = [];
  for (const member of value.split(',')) {
    const plain = member.trim().toLowerCase();
    if (plain !== '') members.push(plain);
  }
  return members;
}

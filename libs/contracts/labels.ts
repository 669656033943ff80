const MAX_LABELS = 32;
const LABEL_KEY = /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

export const hasControlCharacters = (text: string): boolean => CONTROL.test(text);

export const LABELS_RULE =
  'must be an object of at most 32 labels: keys of 1-63 letters, digits, ".", "_", "/", "-"; values strings of at most 255 characters';

/** At most 32 pairs; keys of 1–63 letters, digits and `._/-`; values are strings of at most 255 characters. */
export function isLabels(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const pairs = Object.entries(value);
  return (
    pairs.length <= MAX_LABELS &&
    pairs.every(([k, v]) => LABEL_KEY.test(k) && typeof v === 'string' && v.length <= 255 && !hasControlCharacters(v))
  );
}

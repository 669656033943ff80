import type { HardwareIdForm } from './templates/template.entity.js';

/** Vendors print a MAC address by twos, by fours, by sixes or as one word, with whatever they like in between. */
const SEPARATORS = /[^0-9A-Za-z]/g;
/** EUI-48 and EUI-64. */
const MAC = /^([0-9a-f]{12}|[0-9a-f]{16})$/;

/** @returns the hardware id in the form of its template; what is no MAC address stays as it was sent (docs/claims.md rule 33). */
export function inForm(form: HardwareIdForm | null, hardwareId: string): string {
  if (form === null) return hardwareId;
  const digits = hardwareId.replace(SEPARATORS, '').toLowerCase();
  return MAC.test(digits) ? digits.replace(/..(?!$)/g, '$&:') : hardwareId;
}

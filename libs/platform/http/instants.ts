import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { MaxLength, ValidateBy } from 'class-validator';

const FORM =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:Z|([+-])(\d\d)(?::?(\d\d))?)?)?$/i;

/**
 * An instant in ISO 8601: a date, or a date and a time, with a zone or without. Without one it is UTC, whatever the zone of the server
 * is. Undefined for any other text, for days that no calendar has, and for the second 60.
 */
export function parseInstant(text: string): Date | undefined {
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', sign, hours = '0', minutes = '0'] =
    FORM.exec(text) ?? [];
  if (year === undefined) return undefined;
  const clock: [number, number, number, number] = [+hour, +minute, +second, +fraction.slice(0, 3).padEnd(3, '0')];
  if (clock[0] > 23 || clock[1] > 59 || clock[2] > 59 || +hours > 23 || +minutes > 59) return undefined;
  const at = new Date(0);
  at.setUTCFullYear(+year, +month! - 1, +day!);
  // The 30th of February is refused, not taken for the 2nd of March.
  if (at.getUTCFullYear() !== +year || at.getUTCMonth() !== +month! - 1 || at.getUTCDate() !== +day!) return undefined;
  at.setUTCHours(...clock);
  const offset = (+hours * 60 + +minutes) * 60_000;
  const instant = new Date(at.getTime() - (sign === '-' ? -offset : offset));
  // Year 0 is no year of PostgreSQL's, and 10000 has no four digits.
  return instant.getUTCFullYear() >= 1 && instant.getUTCFullYear() <= 9999 ? instant : undefined;
}

export const INSTANT_RULE =
  'must be an instant in ISO 8601, such as 2027-01-31T12:00:00Z or 2027-01-31; without a zone it is UTC';

/** Text that is an instant (docs/integration-api.md §1.11): it comes out in UTC, as `2027-01-31T12:00:00.000Z`. @param also other text that is taken as it is */
export const IsInstant = (...also: string[]) =>
  applyDecorators(
    Transform(
      ({ value }: { value: unknown }) =>
        typeof value === 'string' && !also.includes(value) ? (parseInstant(value)?.toISOString() ?? value) : value,
      { toClassOnly: true },
    ),
    ValidateBy({
      name: 'isInstant',
      validator: {
        validate: (value) => typeof value === 'string' && (also.includes(value) || parseInstant(value) !== undefined),
        defaultMessage: () => `$property ${INSTANT_RULE}`,
      },
    }),
    MaxLength(255),
  );

const LOCALE = 'en';

const numbers = new Intl.NumberFormat(LOCALE);
const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'always', style: 'long' });

const lists = new Intl.ListFormat(LOCALE, { type: 'conjunction' });
const percents = new Intl.NumberFormat(LOCALE, { style: 'percent' });

/** A part of a whole, rounded down: 99.9 % is not all of it. */
export const formatPercent = (part: number): string => percents.format(Math.floor(part * 100) / 100);

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.5 MB`, in powers of a thousand. */
export function formatBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), BYTE_UNITS.length - 1);
  return `${numbers.format(Math.round((bytes / 1000 ** power) * 10) / 10)} ${BYTE_UNITS[power]}`;
}

export const formatNumber = (value: number): string => numbers.format(value);

const UNITS: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** `3 hours ago`, `in 2 days`; undefined within the minute. */
export function formatRelative(at: Date, now: number): string | undefined {
  const seconds = (at.getTime() - now) / 1000;
  for (const [unit, size] of UNITS)
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  return undefined;
}

const instants = (timeZone?: string) =>
  new Intl.DateTimeFormat('en-CA', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone,
  });
const INSTANTS = { utc: instants('UTC'), local: instants() };

/** As tables show instants: `2026-11-29 14:05:31`, in the zone that was chosen. */
export function formatAbsolute(at: Date, zone: 'utc' | 'local'): string {
  const parts = INSTANTS[zone].formatToParts(at);
  const of = (type: string): string => parts.find((part) => part.type === type)!.value;
  return `${of('year')}-${of('month')}-${of('day')} ${of('hour')}:${of('minute')}:${of('second')}`;
}

export function formatDuration(seconds: number): string {
  for (const [unit, size] of UNITS)
    if (seconds >= size)
      return new Intl.NumberFormat(LOCALE, { style: 'unit', unit, unitDisplay: 'long' }).format(
        Math.trunc(seconds / size),
      );
  return new Intl.NumberFormat(LOCALE, { style: 'unit', unit: 'second', unitDisplay: 'long' }).format(
    Math.trunc(seconds),
  );
}

/** Sorted and joined as people write lists: `a, b and c`. */
export const formatList = (items: readonly string[]): string => lists.format(items);

export const ZONE_NAME = Intl.DateTimeFormat().resolvedOptions().timeZone;

import { isSecretHeader, SECRET } from '#blueprint';

/** Columns whose name in the API is not simply their own in camel case. */
const RENAMED: Record<string, string> = {
  tcp_ports: 'tcpPortRangeString',
  udp_ports: 'udpPortRangeString',
  password_hash: 'password',
  pincode_hash: 'pincode',
  header_auth_hash: 'headerAuth',
  // What "enabled" becomes when the site is approved.
  staged_enabled: 'enabled',
};

/** A column of a resource, target or rule as the API names it: drift and plans speak of the fields that a read shows. */
export const fieldOf = (column: string): string =>
  RENAMED[column] ?? column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

interface Named {
  field: string;
  file: unknown;
  current: unknown;
}

/** What a drift view holds, under the names of the API; targets and rules are lists of rows. */
export const driftOf = <T extends Named>(drift: T[]): T[] =>
  drift.map((d) => ({ ...d, field: fieldOf(d.field), file: shownOf(d.file), current: shownOf(d.current) }));

/** A value of drift for people to see: fields by the names of the API, headers that carry secrets without them. */
export const shownOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shownOf);
  if (typeof value !== 'object' || value === null) return value;
  const row = value as Record<string, unknown>;
  if (typeof row['name'] === 'string' && 'value' in row)
    return isSecretHeader(row['name']) ? { ...row, value: SECRET } : row;
  return Object.fromEntries(Object.entries(row).map(([name, one]) => [fieldOf(name), shownOf(one)]));
};

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
export const fieldOf = (column: string): string => RENAMED[column] ?? column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

interface Named {
  field: string;
  file: unknown;
  current: unknown;
}

/** What a drift view holds, under the names of the API; targets and rules are lists of rows. */
export const driftOf = <T extends Named>(drift: T[]): T[] => drift.map((d) => ({ ...d, field: fieldOf(d.field), file: rowsOf(d.file), current: rowsOf(d.current) }));

const rowsOf = (value: unknown): unknown => (Array.isArray(value) ? value.map(rowOf) : value);
const rowOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).map(([name, one]) => [fieldOf(name), one])) : value;

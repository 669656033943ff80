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

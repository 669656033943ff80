// @ts-check
import { isIPv4 } from 'node:net';

/**
 * Whether it is an IPv4 CIDR from /8 to /32 without host bits: `100.90.128.0/17`, not `100.90.128.1/17`.
 *
 * @param {unknown} value
 * @returns {value is string}
 */
export function isIpv4Range(value) {
  if (typeof value !== 'string') return false;
  const [address = '', prefix = '', ...rest] = value.split('/');
  if (rest.length > 0 || !isIPv4(address) || !/^([89]|[12]\d|3[0-2])$/.test(prefix)) return false;
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return number % 2 ** (32 - Number(prefix)) === 0;
}

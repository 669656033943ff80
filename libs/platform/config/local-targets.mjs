// @ts-check
// What an entry of LOCAL_TARGETS says. Plain Node, since `npm start` asks before anything is installed.
import { isIP } from 'node:net';

/** @typedef {{ orgId: string, cidr: string, from: number, to: number }} LocalTarget */

/**
 * @param {string} entry `orgId=CIDR:ports`, where ports is one, a range `a-b`, or `*`; an IPv6 address may be in brackets
 * @returns {LocalTarget | { problem: string }}
 */
export function readLocalTarget(entry) {
  const equals = entry.indexOf('=');
  const colon = entry.lastIndexOf(':');
  const orgId = entry.slice(0, equals).trim();
  if (equals < 1 || colon < equals || orgId === '')
    return { problem: 'must be orgId=CIDR:ports, such as acme=10.0.0.0/24:80' };
  const written = entry.slice(equals + 1, colon).trim();
  const isBare = written.includes(':') && !written.includes('/') && !written.startsWith('[');
  const cidr = written.replace('[', '').replace(']', '');
  if (isBare || !isNetwork(cidr))
    return { problem: `${written || 'nothing'} is no address range (an IPv6 address is in brackets)` };
  const ports = entry.slice(colon + 1).trim();
  const match = ports === '*' ? ['*', '1', '65535'] : /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(ports);
  const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!match || to > 65_535 || from > to) return { problem: `${ports || 'nothing'} is no port, range of ports or *` };
  return { orgId, cidr, from, to };
}

/** @type {(text: string) => boolean} */
function isNetwork(text) {
  const [address = '', length, ...more] = text.split('/');
  const version = text.includes('%') ? 0 : isIP(address);
  if (version === 0 || more.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128));
}

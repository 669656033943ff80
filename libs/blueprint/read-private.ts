import { type Fields, PORT, type TextRule } from './fields.js';
import type { PrivateEntry, SiteEntry } from './model.js';
import { readMode } from './read-mode.js';
import { FULL_DOMAIN, NAME, readRoles } from './read-public.js';
import { isAddress, isAlias, isCidr, isHostName, isPortRanges, isTargetHost } from './syntax.js';

const PORTS: TextRule = { max: 1024, form: [isPortRanges, '"*", "" or ports and ranges such as "22,8000-8010"'] };
const SITE: TextRule = { min: 1, max: 255 };
const SERVED = ['host', 'cidr', 'http'] as const;
/** What http is reached by, as the API has it: a private web resource is a browser's. */
const WEB_PORTS = { tcpPorts: '443,80', udpPorts: '' };

/** One entry of `private-resources` (docs/blueprints.md "The document"). */
export function readPrivate(key: string, f: Fields): PrivateEntry {
  const wanted = readMode(f, SERVED, ['ssh']);
  const mode = SERVED.find((one) => one === wanted) ?? 'host';
  const http = mode === 'http';
  const site = f.text('site', SITE);
  const scheme = f.choice('scheme', ['http', 'https']) ?? (http ? 'http' : null);
  const destination = f.text('destination', { min: 1, max: 255 });
  const ports = { tcpPorts: f.text('tcp-ports', PORTS) ?? '*', udpPorts: f.text('udp-ports', PORTS) ?? '*' };
  const entry: PrivateEntry = {
    key,
    name: f.need('name', f.text('name', NAME), ''),
    mode,
    enabled: f.bool('enabled') ?? true,
    sites: [...new Set([...(site === undefined ? [] : [site]), ...(f.texts('sites', SITE) ?? [])])],
    destination: wanted === 'ssh' ? (destination ?? '') : f.need('destination', destination, ''),
    destinationPort: f.int('destination-port', PORT) ?? (http ? (scheme === 'https' ? 443 : 80) : null),
    ...(http ? WEB_PORTS : { tcpPorts: withoutSpaces(ports.tcpPorts), udpPorts: withoutSpaces(ports.udpPorts) }),
    disableIcmp: f.bool('disable-icmp') ?? http,
    fullDomain: f.text('full-domain', FULL_DOMAIN)?.toLowerCase() ?? null,
    ssl: f.bool('ssl') ?? false,
    scheme,
    alias:
      f
        .text('alias', { min: 1, form: [isAlias, 'a name with a dot, such as db.internal or *.db.internal'] })
        ?.toLowerCase() ?? null,
    roles: readRoles(f, 'roles'),
    users: f.texts('users') ?? [],
    machines: f.texts('machines') ?? [],
  };
  f.notYet('auth-daemon');
  if (wanted === mode) checkMode(f, entry, destination);
  f.done();
  return entry;
}

function checkMode(f: Fields, { mode, alias, fullDomain }: PrivateEntry, destination: string | undefined): void {
  if (mode !== 'http' && f.has('full-domain')) f.wrong('full-domain', `is only for http, not for ${mode}`);
  if (mode === 'http' && alias !== null)
    f.wrong('alias', 'is not for http: such a resource is reached by its full-domain');
  if (mode === 'http' && fullDomain === null && !f.has('full-domain')) f.wrong('full-domain', 'is required for http');
  if (destination === undefined || f.isOpen('destination')) return;
  if (mode === 'cidr' && !isCidr(destination))
    f.wrong('destination', 'must be an address range such as 10.0.0.0/24 for cidr');
  if (mode !== 'host' || isAddress(destination)) return;
  if (!isHostName(destination) || !isTargetHost(destination))
    return f.wrong('destination', 'must be an IP address or a host name for host');
  // localhost is the machine of the site itself and needs no name in the network.
  if (destination.toLowerCase() === 'localhost' && alias === null) return;
  if (!f.has('alias')) f.wrong('destination', 'a host name needs an alias, by which clients reach it');
  else if (alias !== null && /[*?]/.test(alias)) f.wrong('alias', 'a pattern needs an IP address as destination');
}

function withoutSpaces(ports: string): string {
  return ports.replaceAll(' ', '');
}

/** One entry of `sites`. */
export function readSite(key: string, f: Fields): SiteEntry {
  const entry = {
    key,
    name: f.need('name', f.text('name', { ...NAME, max: 100 }), ''),
    dockerSocketEnabled: f.bool('docker-socket-enabled') ?? true,
  };
  f.done();
  return entry;
}

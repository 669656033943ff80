import type { TextRule } from '#contracts';
import type { Fields } from '#document';
import { CHOICES, INTS, TEXTS } from './field-rules.js';
import type { PrivateEntry, SiteEntry } from './model.js';
import { readMode } from './read-mode.js';
import { readRoles } from './read-public.js';
import { destinationProblem } from './syntax.js';

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
  const scheme = f.choice('scheme', CHOICES.scheme) ?? (http ? 'http' : null);
  const destination = f.text('destination', TEXTS.destination);
  const ports = {
    tcpPorts: f.text('tcp-ports', TEXTS.portRanges) ?? '*',
    udpPorts: f.text('udp-ports', TEXTS.portRanges) ?? '*',
  };
  const entry: PrivateEntry = {
    key,
    name: f.need('name', f.text('name', TEXTS.name), ''),
    mode,
    enabled: f.bool('enabled') ?? true,
    sites: [...new Set([...(site === undefined ? [] : [site]), ...(f.texts('sites', SITE) ?? [])])],
    destination: wanted === 'ssh' ? (destination ?? '') : f.need('destination', destination, ''),
    destinationPort: f.int('destination-port', INTS.port) ?? (http ? (scheme === 'https' ? 443 : 80) : null),
    ...(http ? WEB_PORTS : ports),
    disableIcmp: f.bool('disable-icmp') ?? http,
    fullDomain: f.text('full-domain', TEXTS.fullDomain) ?? null,
    ssl: f.bool('ssl') ?? false,
    scheme,
    alias: f.text('alias', TEXTS.alias) ?? null,
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
  // Without a name it is said on purpose: the domain of one is gone.
  if (mode === 'http' && fullDomain === null && !f.has('full-domain')) f.wrong('full-domain', 'is required for http');
  if (destination === undefined || f.isOpen('destination') || f.isOpen('alias')) return;
  // A wrong alias has its problem already.
  if (alias === null && f.has('alias') && !f.isEmpty('alias')) return;
  const wrong = destinationProblem(mode, destination, alias);
  if (wrong) f.wrong(wrong.field, wrong.problem);
}

/** One entry of `sites`. */
export function readSite(key: string, f: Fields): SiteEntry {
  const entry = {
    key,
    name: f.need('name', f.text('name', TEXTS.name), ''),
    dockerSocketEnabled: f.bool('docker-socket-enabled') ?? true,
  };
  f.done();
  return entry;
}

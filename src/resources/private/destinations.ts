import { ValidateBy } from 'class-validator';
import { isAddress, isAlias, isCidr, isPortRanges } from '#blueprint';
import { invalid } from '#platform';
import { isHostName } from '../names.js';
import type { Mode } from './private.dto.js';

const rule = (name: string, validate: (value: string) => boolean, message: string) =>
  ValidateBy({
    name,
    validator: {
      validate: (value) => typeof value === 'string' && validate(value),
      defaultMessage: () => `$property ${message}`,
    },
  });

export const IsPortRangeString = () =>
  rule('isPortRanges', isPortRanges, 'must be "*", "" or ports and ranges such as "80,8000-8010"');
export const IsAliasName = () =>
  rule('isAlias', isAlias, 'must be a name with a dot, such as db.internal or *.db.internal');

/** What a client reaches of an http resource (docs/integration-api.md §3.4). */
export const WEB_PORTS = { tcpPortRangeString: '443,80', udpPortRangeString: '' };

/** A private resource as it shall be, as far as its fields depend on each other. */
export interface Destination {
  mode: Mode;
  destination: string;
  destinationPort: number | null;
  scheme: string | null;
  alias: string | null;
  domainId: string | null;
}

/** An address or a name; what looks like an address and is none is no name either. */
export const isDestinationHost = (text: string) => isAddress(text) || (isHostName(text) && !/^[\d.]+$/.test(text));

/** The address or range that a destination is, for the check that it is none of the organization's own; null: a name. */
export const routeOf = (destination: string): string | null =>
  isAddress(destination) || isCidr(destination) ? destination : null;

/** The rules that join fields (docs/integration-api.md §3.4). @throws validation naming the field. */
export function checkDestination(d: Destination): void {
  if (d.mode === 'host') {
    if (!isDestinationHost(d.destination)) throw invalid('destination', 'must be an IP address or a host name');
    // localhost is the machine of the site itself and needs no name in the network, as in blueprints.
    if (!isAddress(d.destination) && d.destination.toLowerCase() !== 'localhost' && d.alias === null)
      throw invalid('alias', 'is required: a host name is reached by an alias');
  }
  if (d.mode === 'cidr' && !isCidr(d.destination))
    throw invalid('destination', 'must be an address range such as 10.0.0.0/24');
  if (d.mode !== 'http') return;
  if (d.destinationPort === null) throw invalid('destinationPort', 'is required for http');
  if (d.scheme === null) throw invalid('scheme', 'is required for http');
  if (d.domainId === null) throw invalid('domainId', 'is required for http');
}

/** An alias and a domain are two ways to one name. @throws validation */
export function checkName(d: Pick<Destination, 'alias' | 'domainId'>, subdomain: string | null | undefined): void {
  if (d.alias !== null && d.domainId !== null) throw invalid('alias', 'cannot be given together with domainId');
  if (subdomain && d.domainId === null) throw invalid('subdomain', 'needs a domainId');
}

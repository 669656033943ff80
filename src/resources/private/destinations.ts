import { destinationProblem, isAddress, isCidr } from '#blueprint';
import { invalid } from '#platform';
import type { Mode } from './private.dto.js';

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

/** The address or range that a destination is, for the check that it is none of the organization's own; null: a name. */
export const routeOf = (destination: string): string | null =>
  isAddress(destination) || isCidr(destination) ? destination : null;

/** The rules that join fields (docs/integration-api.md §3.4). @throws validation naming the field. */
export function checkDestination(d: Destination): void {
  const wrong = destinationProblem(d.mode, d.destination, d.alias);
  if (wrong) throw invalid(wrong.field, wrong.problem);
  if (d.mode !== 'http') {
    if (d.domainId !== null) throw invalid('domainId', `is only for http, not for ${d.mode}`);
    return;
  }
  if (d.destinationPort === null) throw invalid('destinationPort', 'is required for http');
  if (d.scheme === null) throw invalid('scheme', 'is required for http');
  if (d.domainId === null) throw invalid('domainId', 'is required for http');
}

/** An alias and a domain are two ways to one name. @throws validation */
export function checkName(d: Pick<Destination, 'alias' | 'domainId'>, subdomain: string | null | undefined): void {
  if (d.alias !== null && d.domainId !== null) throw invalid('alias', 'cannot be given together with domainId');
  if (subdomain && d.domainId === null) throw invalid('subdomain', 'needs a domainId');
}

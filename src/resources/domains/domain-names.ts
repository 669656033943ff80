import { isHostName } from '#blueprint';
import { invalid } from '#platform';
import { parentOf } from '../names.js';
import type { DomainType } from './domains.dto.js';

export interface FullDomain {
  /** As it was given; null for the base domain itself. */
  subdomain: string | null;
  /** Lower case. */
  fullDomain: string;
  wildcard: boolean;
}

/**
 * The host name that a resource gets on a domain (docs/integration-api.md §3.5): ns and wildcard take `subdomain.base` or the base, cname always
 * the base. @throws validation for a subdomain of wrong syntax, one that is too long, or `*` on a cname domain.
 */
export function fullDomainOf(
  domain: { type: DomainType; baseDomain: string },
  given: string | null | undefined,
): FullDomain {
  const subdomain = given || null;
  const wildcard = subdomain === '*' || Boolean(subdomain?.startsWith('*.'));
  const labels = subdomain === '*' ? null : wildcard ? subdomain!.slice(2) : subdomain;
  if (labels !== null && !isHostName(labels))
    throw invalid('subdomain', 'must be labels of letters, digits and inner hyphens, or "*", or "*." before labels');
  if (domain.type === 'cname') {
    if (wildcard) throw invalid('subdomain', 'a cname domain has no wildcard names');
    return { subdomain: null, fullDomain: domain.baseDomain, wildcard: false };
  }
  const fullDomain = (subdomain === null ? domain.baseDomain : `${subdomain}.${domain.baseDomain}`).toLowerCase();
  if (fullDomain.length > 253) throw invalid('subdomain', 'makes a name of more than 253 characters');
  return { subdomain, fullDomain, wildcard };
}

/** The wildcard that would cover this name: `*` stands for exactly one label, as in certificates. */
export const coveringWildcard = (fullDomain: string) => `*.${parentOf(fullDomain)}`;

/** What the owner of a domain writes into DNS (docs/integration-api.md §3.8). */
export function recordsFor(
  domain: { domainId: string; type: DomainType; baseDomain: string },
  dns: { nameservers: readonly string[]; cnameSuffix: string; serverIp: string },
): { recordType: 'NS' | 'CNAME' | 'A'; baseDomain: string; value: string }[] {
  const { domainId, type, baseDomain } = domain;
  switch (type) {
    case 'ns':
      return dns.nameservers.map((value) => ({ recordType: 'NS', baseDomain, value }));
    case 'cname':
      return [
        { recordType: 'CNAME', baseDomain, value: `${domainId}.${dns.cnameSuffix}` },
        {
          recordType: 'CNAME',
          baseDomain: `_acme-challenge.${baseDomain}`,
          value: `_acme-challenge.${domainId}.${dns.cnameSuffix}`,
        },
      ];
    case 'wildcard':
      return [`*.${baseDomain}`, baseDomain].map((name) => ({
        recordType: 'A',
        baseDomain: name,
        value: dns.serverIp,
      }));
  }
}

/** As patterns: what `*.base` covers, and what is too deep for it. */
export const coveredNames = (wildcard: string): string[] => [`_%${wildcard.slice(1)}`, `%.%${wildcard.slice(1)}`];

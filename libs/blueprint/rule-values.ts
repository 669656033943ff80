import { CountryCodes } from 'validator/lib/isISO31661Alpha2.js';
import { isAddress, isCidr, isPathGlob } from './syntax.js';

export const RULE_MATCHES = ['CIDR', 'IP', 'PATH', 'COUNTRY', 'ASN', 'REGION'] as const;
export type RuleMatch = (typeof RULE_MATCHES)[number];

export const MAX_RULE_VALUE = 2048;

/** UN M.49 ids of continents and regions (docs/integration-api.md §3.7). */
const REGIONS = new Set(
  '002 015 014 017 018 011 019 029 013 005 021 142 143 030 035 034 145 150 151 154 039 155 009 053 054 057 061'.split(
    ' ',
  ),
);

/** Numbers that are never the origin of a route: RFC 7607, RFC 6793 (AS_TRANS) and RFC 7300. */
const RESERVED_ASNS = new Set([0, 23_456, 65_535, 4_294_967_295]);

const FORMS: Record<RuleMatch, { normal: (value: string) => string | undefined; description: string }> = {
  CIDR: { normal: network, description: 'an address range such as 10.0.0.0/8' },
  IP: { normal: (value) => (isAddress(value) ? value : undefined), description: 'an IPv4 or IPv6 address' },
  PATH: {
    normal: (value) => (isPathGlob(value) ? value : undefined),
    description: 'a path such as /admin/*, without empty segments',
  },
  COUNTRY: { normal: country, description: 'a country code of ISO 3166-1, two letters such as DE, or ALL' },
  ASN: { normal: asn, description: 'the number of an autonomous system such as AS64500, or ALL' },
  REGION: {
    normal: (value) => (REGIONS.has(value) ? value : undefined),
    description: 'the UN M.49 number of a region, such as 150',
  },
};

/** A prefix length may have zeros in front of it; the network may have host bits. */
function network(value: string): string | undefined {
  const plain = value.replace(/\/(?=\d{1,3}$)0+(?=\d)/, '/');
  return isCidr(plain) ? plain : undefined;
}

/** XK is no code of ISO, but what databases of addresses say for Kosovo. */
const COUNTRIES: ReadonlySet<string> = new Set(['ALL', 'XK', ...CountryCodes]);

function country(value: string): string | undefined {
  const code = value.toUpperCase();
  return COUNTRIES.has(code) ? code : undefined;
}

/** With or without AS in front of it. */
function asn(value: string): string | undefined {
  if (value.toUpperCase() === 'ALL') return 'ALL';
  const digits = /^(?:AS)?(\d{1,10})$/i.exec(value)?.[1];
  const number = Number(digits);
  return digits === undefined || number > 4_294_967_295 || RESERVED_ASNS.has(number) ? undefined : `AS${number}`;
}

/**
 * The normal form of what a rule compares with (docs/integration-api.md §3.7), or why it is none.
 * @returns the problem as `must be …`
 */
export function readRuleValue(match: RuleMatch, value: string): { value: string } | { problem: string } {
  const { normal, description } = FORMS[match];
  const form = value.length <= MAX_RULE_VALUE ? normal(value) : undefined;
  return form === undefined ? { problem: `must be ${description}` } : { value: form };
}

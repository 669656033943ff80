import { isAddress, isCidr } from '#blueprint';

export const MATCHES = ['CIDR', 'IP', 'PATH', 'COUNTRY', 'ASN', 'REGION'] as const;
export type Match = (typeof MATCHES)[number];

/** UN M.49 ids of continents and regions (docs/integration-api.md §3.7). */
const REGIONS = new Set(
  '002 015 014 017 018 011 019 029 013 005 021 142 143 030 035 034 145 150 151 154 039 155 009 053 054 057 061'.split(
    ' ',
  ),
);
/** Characters of a path segment (RFC 3986 pchar) and the wildcards `*` and `#`. */
const SEGMENT = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=#@:]|%[0-9A-Fa-f]{2})+$/;

/** A prefix length of up to three digits; zeros in front of it were always taken. */
const isNetwork = (value: string): boolean => isCidr(value.replace(/\/(?=\d{1,3}$)0+(?=\d)/, '/'));

/** `/`, or segments; only the last one may be empty. */
function isPathGlob(value: string): boolean {
  const segments = value.replace(/^\//, '').split('/');
  return (
    value.length > 0 &&
    segments.every((segment, i) => SEGMENT.test(segment) || (segment === '' && i === segments.length - 1))
  );
}

const VALID: Record<Match, { test: (value: string) => boolean; problem: string }> = {
  CIDR: { test: isNetwork, problem: 'must be an IPv4 or IPv6 network such as 10.0.0.0/8' },
  IP: { test: isAddress, problem: 'must be an IPv4 or IPv6 address' },
  PATH: { test: isPathGlob, problem: 'must be a path such as /admin/*, without empty segments' },
  COUNTRY: {
    test: (value) => /^(?:[A-Z]{2}|ALL)$/i.test(value),
    problem: 'must be a country code of two letters, or ALL',
  },
  ASN: { test: (value) => /^(?:AS\d{1,10}|ALL)$/i.test(value), problem: 'must be AS and a number, or ALL' },
  REGION: { test: (value) => REGIONS.has(value), problem: 'must be the UN M.49 number of a region, such as 150' },
};

/** @returns why the value says nothing for this kind of match, or undefined. */
export const ruleValueProblem = (match: Match, value: string): string | undefined =>
  VALID[match].test(value) ? undefined : VALID[match].problem;

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHostName } from '#blueprint';
import { AppError } from '#platform';
import { isDomainName, isWithin } from '../names.js';
import { coveringWildcard, type FullDomain, fullDomainOf } from './domain-names.js';
import type { DomainType } from './domains.dto.js';

const edge = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789');
const inner = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-');
/** 1 to 63 letters, digits and inner hyphens. */
const label = fc
  .tuple(edge, fc.option(fc.tuple(fc.array(inner, { maxLength: 61 }), edge), { nil: null }))
  .map(([first, rest]) => first + (rest ? rest[0].join('') + rest[1] : ''));
const short = label.map((one) => one.replace(/-/g, '').slice(0, 10));
const base = fc
  .tuple(fc.array(short, { minLength: 1, maxLength: 3 }), fc.constantFrom('com', 'org', 'localdomain'))
  .map(([labels, top]) => [...labels, top].join('.').toLowerCase());
const below = fc.array(short, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const roomy = fc.constantFrom<DomainType>('ns', 'wildcard');
/** Labels that are none: what stands at an end, or in between, that may not. */
const badLabel = fc.oneof(
  fc.constant(''),
  label.map((one) => `-${one}`),
  label.map((one) => `${one}-`),
  fc
    .tuple(label, fc.constantFrom('_', ' ', '*', 'ä', '/', ':', '\u0000', '.'))
    .map(([one, sign]) => `${one}${sign}${sign}x`),
  fc.integer({ min: 64, max: 80 }).map((length) => 'x'.repeat(length)),
);

/** @returns the field that is refused */
function refused(fn: () => unknown): string | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    return (error as AppError).details.fields?.[0]?.path;
  }
}
const holds = <Ts>(property: fc.IProperty<Ts>) => fc.assert(property, { numRuns: 300 });

describe('the name of a resource', () => {
  it('is its subdomain on the domain, in lower case, or the domain itself', () => {
    holds(
      fc.property(roomy, base, fc.option(below, { nil: null }), (type, baseDomain, subdomain) => {
        const full = fullDomainOf({ type, baseDomain }, subdomain);
        expect(full).toEqual<FullDomain>({
          subdomain,
          fullDomain: (subdomain === null ? baseDomain : `${subdomain}.${baseDomain}`).toLowerCase(),
          wildcard: false,
        });
        expect(isDomainName(full.fullDomain) && isWithin(full.fullDomain, baseDomain)).toBe(true);
      }),
    );
  });

  it('is the same for no subdomain and an empty one', () => {
    holds(
      fc.property(
        roomy,
        base,
        (type, baseDomain) =>
          void expect(fullDomainOf({ type, baseDomain }, '')).toEqual(fullDomainOf({ type, baseDomain }, undefined)),
      ),
    );
  });

  it('is a wildcard exactly when its first label is *', () => {
    holds(
      fc.property(roomy, base, fc.option(below, { nil: null }), (type, baseDomain, labels) => {
        const subdomain = labels === null ? '*' : `*.${labels}`;
        expect(fullDomainOf({ type, baseDomain }, subdomain)).toEqual({
          subdomain,
          fullDomain: `${subdomain}.${baseDomain}`.toLowerCase(),
          wildcard: true,
        });
      }),
    );
    holds(
      fc.property(roomy, base, below, label, (type, baseDomain, labels, more) => {
        for (const subdomain of [
          `${labels}.*`,
          `${labels}.*.${more}`,
          `*${labels}`,
          `**`,
          `*.*`,
          `*.`,
          `*.${labels}.*`,
        ])
          expect(refused(() => fullDomainOf({ type, baseDomain }, subdomain))).toBe('subdomain');
      }),
    );
  });

  it('of a cname domain is always the domain itself, which has no wildcard', () => {
    holds(
      fc.property(base, fc.option(below, { nil: null }), (baseDomain, subdomain) => {
        expect(fullDomainOf({ type: 'cname', baseDomain }, subdomain)).toEqual({
          subdomain: null,
          fullDomain: baseDomain,
          wildcard: false,
        });
        expect(
          refused(() => fullDomainOf({ type: 'cname', baseDomain }, subdomain === null ? '*' : `*.${subdomain}`)),
        ).toBe('subdomain');
      }),
    );
  });

  it('is refused with one label that is none, wherever it stands', () => {
    holds(
      fc.property(
        fc.constantFrom<DomainType>('ns', 'cname', 'wildcard'),
        base,
        fc.array(short, { minLength: 1, maxLength: 3 }),
        badLabel,
        fc.nat(),
        (type, baseDomain, labels, bad, at) => {
          const subdomain = labels.toSpliced(at % (labels.length + 1), 0, bad).join('.');
          expect(refused(() => fullDomainOf({ type, baseDomain }, subdomain))).toBe('subdomain');
        },
      ),
    );
  });

  it('has at most 253 characters', () => {
    // Labels of fifty characters, as many as it takes.
    const long = (length: number) =>
      Array.from({ length }, (_, i) => (i % 51 === 50 && i < length - 1 ? '.' : 'x')).join('');
    holds(
      fc.property(roomy, base, fc.integer({ min: 250, max: 256 }), (type, baseDomain, length) => {
        const subdomain = long(length - baseDomain.length - 1);
        expect(refused(() => fullDomainOf({ type, baseDomain }, subdomain))).toBe(
          length <= 253 ? undefined : 'subdomain',
        );
      }),
    );
  });
});

describe('a domain name', () => {
  it('has two labels or more and a last one that is no number', () => {
    holds(
      fc.property(
        base,
        label,
        (name, one) =>
          isDomainName(name) &&
          isHostName(name) &&
          !isDomainName(one) &&
          !isDomainName(`${name}.1`) &&
          !isDomainName(`${name}.`) &&
          !isDomainName(`.${name}`),
      ),
    );
    holds(
      fc.property(
        fc.array(short, { minLength: 1, maxLength: 3 }),
        badLabel,
        fc.nat(),
        (labels, bad, at) => !isDomainName(labels.toSpliced(at % (labels.length + 1), 0, bad).join('.')),
      ),
    );
  });
});

describe('a wildcard', () => {
  const covers = (wildcard: string, name: string) => coveringWildcard(name) === wildcard;

  it('covers the names one label below its parent, and no others', () => {
    holds(
      fc.property(base, short, short, (parent, one, another) => {
        const wildcard = fullDomainOf({ type: 'wildcard', baseDomain: parent }, '*').fullDomain;
        const [child, grandchild] = [`${one}.${parent}`, `${another}.${one}.${parent}`].map((name) =>
          name.toLowerCase(),
        );
        expect(covers(wildcard, child!)).toBe(true);
        expect(covers(wildcard, grandchild!)).toBe(false);
        expect(covers(wildcard, parent)).toBe(false);
        expect(covers(`*.${one.toLowerCase()}.${parent}`, grandchild!)).toBe(true);
      }),
    );
  });

  it('is the only one that covers a name', () => {
    holds(
      fc.property(base, base, short, (name, other, one) => {
        const child = `${one}.${name}`.toLowerCase();
        expect(covers(`*.${other}`, child)).toBe(other === name);
      }),
    );
  });
});

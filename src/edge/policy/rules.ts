import { type AddressBits, addressBits, Network, plainAddress } from '#platform';
import { loose, looseReadings, mergeSlashes, parsePath } from '../routing/path.js';
import type { Geo } from './geo.js';
import { Glob } from './glob.js';
import { regionsOf } from './regions.js';

export type RuleAction = 'ACCEPT' | 'DROP' | 'PASS';

/** As it is stored (docs/integration-api.md §3.7). */
export interface StoredRule {
  ruleId: number;
  action: RuleAction;
  match: 'CIDR' | 'IP' | 'PATH' | 'COUNTRY' | 'ASN' | 'REGION';
  value: string;
  priority: number;
  enabled: boolean;
}

/** Who asks: what rules ask of an address is found out once, when the first of them does. One may stand for all requests of a connection. */
export class Visitor {
  readonly address: string;
  readonly bits: AddressBits | undefined;
  private place: { country: string | undefined; asn: number | undefined } | undefined;

  constructor(
    address: string,
    private readonly geo: Geo,
  ) {
    this.address = plainAddress(address) ?? address;
    this.bits = addressBits(address);
  }

  get country(): string | undefined {
    return this.located().country;
  }

  get asn(): number | undefined {
    return this.located().asn;
  }

  private located() {
    return (this.place ??=
      this.bits === undefined
        ? { country: undefined, asn: undefined }
        : { country: this.geo.country(this.address), asn: this.geo.asn(this.address) });
  }
}

/** `sometimes`: in one reading of the path, and not in another. */
type Match = 'no' | 'yes' | 'sometimes';
type Test = (visitor: Visitor, readings: Readings) => Match;

interface Rule {
  ruleId: number;
  action: RuleAction;
  test: Test;
}

export interface Verdict {
  action: RuleAction;
  ruleId: number;
}

/** The rules of a resource, from the lowest priority on: the first that matches decides. */
export class RuleSet {
  /** Whether a path that targets read in different ways (`RequestPath.ambiguous`) must be refused: 400. */
  readonly decidesByPath: boolean;
  private readonly rules: Rule[];

  constructor(stored: readonly StoredRule[]) {
    const enabled = stored.filter((rule) => rule.enabled);
    this.decidesByPath = enabled.some((rule) => rule.match === 'PATH');
    this.rules = enabled
      .sort((a, b) => a.priority - b.priority || a.ruleId - b.ruleId)
      .map(({ ruleId, action, match, value }) => ({ ruleId, action, test: testOf(match, value) }));
  }

  /**
   * Where a rule matches one reading of the path and not another, the stricter of what follows from both counts: DROP before PASS before
   * ACCEPT. So none is got around by spelling a path so that the target alone understands it.
   *
   * @param path of a parsed request, as it is forwarded
   * @returns undefined when none matches, which is as PASS
   */
  judge(visitor: Visitor, path: string): Verdict | undefined {
    const readings = this.decidesByPath ? readingsOf(path) : UNREAD;
    let atLeast: Verdict | undefined;
    for (const { ruleId, action, test } of this.rules) {
      const match = test(visitor, readings);
      if (match === 'no') continue;
      if (action === 'DROP') return { action, ruleId };
      if (match === 'yes') return action === 'ACCEPT' && atLeast ? atLeast : { action, ruleId };
      if (action === 'PASS') atLeast ??= { action, ruleId };
    }
    return atLeast;
  }
}

const UNREAD: Readings = { exact: [], loose: [] };
const NEVER: Test = () => 'no';
const yes = (matches: boolean): Match => (matches ? 'yes' : 'no');

/** What is no value of its kind was stored before values were checked, and never matches. */
function testOf(match: StoredRule['match'], value: string): Test {
  switch (match) {
    case 'CIDR':
    case 'IP': {
      const network = Network.parse(value);
      return network ? ({ bits }) => yes(bits !== undefined && network.contains(bits)) : NEVER;
    }
    case 'PATH':
      return pathTest(value);
    case 'COUNTRY': {
      const country = value.toUpperCase();
      return country === 'ALL' ? () => 'yes' : (visitor) => yes(visitor.country === country);
    }
    case 'ASN': {
      const asn = value.toUpperCase();
      return asn === 'ALL' ? () => 'yes' : (visitor) => yes(visitor.asn !== undefined && `AS${visitor.asn}` === asn);
    }
    case 'REGION':
      return ({ country }) => yes(country !== undefined && regionsOf(country).includes(value));
  }
}

/** What a target may take a path for. */
interface Readings {
  exact: readonly string[];
  loose: readonly string[];
}

function readingsOf(path: string): Readings {
  const merged = mergeSlashes(path);
  return { exact: merged === path ? [path] : [path, merged], loose: looseReadings(path) };
}

function pathTest(value: string): Test {
  const rooted = value.startsWith('/') ? value : `/${value}`;
  const exact = new Glob(parsePath(rooted)?.path ?? rooted);
  const broad = new Glob(loose(rooted));
  return (_visitor, readings) => {
    let matching = 0;
    for (const reading of readings.loose) if (broad.matches(reading)) matching++;
    if (matching === 0) return 'no';
    return matching === readings.loose.length && readings.exact.every((path) => exact.matches(path))
      ? 'yes'
      : 'sometimes';
  };
}

import { networkInterfaces } from 'node:os';
import { addressBits, Network, plainAddress } from '#platform';

interface Allowed {
  network: Network;
  from: number;
  to: number;
}

/** Never dialed, whatever is listed: what a network gives out for itself, and the services of clouds about their machines. */
const NEVER = [
  ['0.0.0.0/8', 'unspecified'],
  ['::/128', 'unspecified'],
  ['169.254.0.0/16', 'link-local'],
  ['fe80::/10', 'link-local'],
  ['224.0.0.0/4', 'multicast'],
  ['ff00::/8', 'multicast'],
  ['255.255.255.255/32', 'the broadcast address'],
  ['fd00:ec2::254/128', 'the metadata service of a cloud'],
].map(([cidr, what]) => ({ network: Network.parse(cidr!)!, what: what! }));

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map((cidr) => Network.parse(cidr)!);

/**
 * What the server itself may dial for `local` sites: what LOCAL_TARGETS lists for the organization. It is judged on the address that is
 * dialed, after a name was resolved.
 */
export class DialPolicy {
  private readonly own: { address: string; port: number }[] = [];

  private constructor(private readonly allowed: ReadonlyMap<string, readonly Allowed[]>) {}

  /**
   * @param entries `orgId=CIDR:ports` each, where ports is one, a range `a-b`, or `*`; an IPv6 address may be in brackets
   * @returns the policy, or what is wrong with which entry
   */
  static read(entries: readonly string[]): DialPolicy | { problems: string[] } {
    const allowed = new Map<string, Allowed[]>();
    const problems: string[] = [];
    for (const entry of entries) {
      const read = readEntry(entry);
      if ('problem' in read) {
        problems.push(`${JSON.stringify(entry)}: ${read.problem}`);
        continue;
      }
      const of = allowed.get(read.orgId);
      if (of) of.push(read);
      else allowed.set(read.orgId, [read]);
    }
    return problems.length > 0 ? { problems } : new DialPolicy(allowed);
  }

  /** A listener of this installation (the database and those of other processes too), which nobody reaches through a site. */
  addOwn(address: string, port: number): void {
    this.own.push({ address: plainAddress(address) ?? address, port });
  }

  /** Whether anything is listed for an organization: without, a target or check on a local site is refused when it is written. */
  allowsAny(orgId: string): boolean {
    return this.allowed.has(orgId);
  }

  /** @returns why this address is not dialed for the organization, or undefined */
  refusal(orgId: string, address: string, port: number): string | undefined {
    const bits = addressBits(address);
    if (bits === undefined) return 'is no address';
    for (const { network, what } of NEVER) if (network.contains(bits)) return `is ${what}, which is never dialed`;
    if (this.isOwn(address, port)) return 'is a listener of this installation, which is never dialed';
    const listed = this.allowed
      .get(orgId)
      ?.some(({ network, from, to }) => port >= from && port <= to && network.contains(bits));
    return listed ? undefined : 'is not among the LOCAL_TARGETS of the organization';
  }

  private isOwn(address: string, port: number): boolean {
    const plain = plainAddress(address);
    return this.own.some(
      (own) => own.port === port && (own.address === plain || (isWildcard(own.address) && isLocal(address))),
    );
  }
}

const isWildcard = (address: string) => address === '0.0.0.0' || address === '::';

/** Whether an address is one of this machine, at this moment. */
function isLocal(address: string): boolean {
  const bits = addressBits(address);
  if (bits === undefined || LOOPBACK.some((network) => network.contains(bits))) return true;
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((one) => Network.parse(plainAddress(one.address) ?? '')?.contains(bits)),
  );
}

function readEntry(entry: string): ({ orgId: string } & Allowed) | { problem: string } {
  const equals = entry.indexOf('=');
  const colon = entry.lastIndexOf(':');
  const orgId = entry.slice(0, equals).trim();
  if (equals < 1 || colon < equals || orgId === '')
    return { problem: 'must be orgId=CIDR:ports, such as acme=10.0.0.0/24:80' };
  const cidr = entry.slice(equals + 1, colon).trim();
  const isBare = cidr.includes(':') && !cidr.includes('/') && !cidr.startsWith('[');
  const network = isBare ? undefined : Network.parse(cidr.replace('[', '').replace(']', ''));
  if (!network) return { problem: `${cidr || 'nothing'} is no address range (an IPv6 address is in brackets)` };
  const ports = entry.slice(colon + 1).trim();
  const match = ports === '*' ? ['*', '1', '65535'] : /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(ports);
  const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!match || to > 65_535 || from > to) return { problem: `${ports || 'nothing'} is no port, range of ports or *` };
  return { orgId, network, from, to };
}

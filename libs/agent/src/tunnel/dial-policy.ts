import {
  type AgentLists,
  type Destination,
  type IpAddress,
  type IpNetwork,
  isLoopbackIp,
  isWithin,
  listedBy,
  parseIp,
  parseNetwork,
  portsInclude,
  type TunnelError,
} from '../../../contracts/index.js';
import type { Allowed } from './allowed.js';

const networks = (...list: string[]): IpNetwork[] => list.map((text) => parseNetwork(text) as IpNetwork);

/** Never dialed unless `--allow` names them: link-local, unspecified, multicast, broadcast; metadata services of clouds that are elsewhere. */
const FORBIDDEN = networks(
  '169.254.0.0/16',
  '0.0.0.0/8',
  '224.0.0.0/4',
  '255.255.255.255',
  '168.63.129.16',
  '100.100.100.200',
  'fe80::/10',
  '::',
  'ff00::/8',
  'fd00:ec2::254',
  'fd20:ce::254',
);
/** IPv6 that leads to an IPv4 address, and how many bits stand behind that: NAT64 (RFC 6052, RFC 8215), IPv4-compatible, translated (RFC 2765), 6to4. */
const LEADS_TO_IPV4: [IpNetwork, bigint][] = [
  ...networks('64:ff9b::/96', '64:ff9b:1::/96', '::/96', '::ffff:0:0:0/96').map((n): [IpNetwork, bigint] => [n, 0n]),
  ...networks('2002::/16').map((n): [IpNetwork, bigint] => [n, 80n]),
];

/**
 * What the tunnel may lead to: what the state of the server lists, within what the operator of the machine allows (docs/tunnel.md rule 9). The server
 * changes the first, never the second.
 */
export class DialPolicy {
  private isListed: (to: Destination) => boolean = () => false;

  constructor(private readonly allowed: readonly Allowed[]) {}

  apply(lists: AgentLists): void {
    this.isListed = listedBy(lists);
  }

  /** Whether the state has this destination at all. */
  lists(to: Destination): boolean {
    return this.isListed(to);
  }

  /**
   * Judges an address that the host of a listed destination was resolved to, once; that address is dialed, no other.
   * @returns why it is not dialed, or undefined
   */
  refusal({ host, port }: Destination, text: string): TunnelError | undefined {
    const address = parseIp(text);
    if (!address) return 'not_allowed';
    const naming = this.allowed.filter(({ network, ports }) => isWithin(address, network) && portsInclude(ports, port));
    if (this.allowed.length > 0 && naming.length === 0) return 'not_allowed';
    const forbidden = FORBIDDEN.filter((network) => meanings(address).some((meaning) => isWithin(meaning, network)));
    // A wide network does not name what lies in it: 0.0.0.0/0 is no wish for the metadata service.
    if (forbidden.some((network) => !naming.some((one) => isWithin(one.network, network)))) return 'not_allowed';
    return isLoopbackIp(address) && !meansLoopback(host) ? 'not_allowed' : undefined;
  }
}

/** The address itself, and the IPv4 address that it leads to. */
function meanings(address: IpAddress): IpAddress[] {
  const embedded = LEADS_TO_IPV4.flatMap(([network, behind]) =>
    isWithin(address, network) ? [{ bits: 32 as const, value: (address.value >> behind) & 0xffff_ffffn }] : [],
  );
  // ::1 and :: are no IPv4-compatible addresses.
  return address.bits === 128 && address.value <= 1n ? [address] : [address, ...embedded];
}

/** A name that somebody else answers for must not lead to this machine itself. */
function meansLoopback(host: string): boolean {
  const address = parseIp(host);
  return host.toLowerCase() === 'localhost' || (address !== undefined && isLoopbackIp(address));
}

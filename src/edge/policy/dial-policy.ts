import { networkInterfaces } from 'node:os';
import { addressBits, type LocalTarget, Network, plainAddress } from '#platform';

interface Allowed {
  network: Network;
  from: number;
  to: number;
}

export interface Listener {
  address: string;
  port: number;
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
  private readonly allowed = new Map<string, Allowed[]>();
  private own: readonly Listener[] = [];

  constructor(targets: readonly LocalTarget[]) {
    for (const { orgId, cidr, from, to } of targets) {
      const one = { network: Network.parse(cidr)!, from, to };
      const of = this.allowed.get(orgId);
      if (of) of.push(one);
      else this.allowed.set(orgId, [one]);
    }
  }

  /** The organizations for which anything is listed. */
  get orgIds(): string[] {
    return [...this.allowed.keys()];
  }

  /** The listeners of this installation (the database and those of other processes too), which nobody reaches through a site. */
  setOwn(listeners: readonly Listener[]): void {
    this.own = listeners.map(({ address, port }) => ({ address: plainAddress(address) ?? address, port }));
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
    // One that is told by an address of this machine may listen on all of them.
    return this.own.some(
      (own) =>
        own.port === port &&
        (own.address === plain || ((isWildcard(own.address) || isLocal(own.address)) && isLocal(address))),
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

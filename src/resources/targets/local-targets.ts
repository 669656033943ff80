import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { addressBits, Config, Network } from '#platform';

/** Where a target is, and what is to be dialed for its health check. */
export interface Dialed {
  ip: string;
  port: number;
  hcEnabled: boolean;
  hcHostname?: string | null;
  hcPort?: number | null;
}

export type LocalField = 'ip' | 'port' | 'hcHostname' | 'hcPort';

/**
 * What targets and checks on local sites may name, which the server itself dials: what LOCAL_TARGETS lists for the organization (docs/health.md
 * rule 10). Of a name only the port is judged here; its address is, when it is dialed.
 */
@Injectable()
export class LocalTargets {
  private readonly entries: { orgId: string; network: Network; from: number; to: number }[];

  constructor(config: Config) {
    this.entries = config.localTargets.map(({ cidr, ...entry }) => ({ ...entry, network: Network.parse(cidr)! }));
  }

  /** @returns the field that names what is not listed, and a sentence about it; undefined: all is */
  problem(orgId: string, target: Dialed): { field: LocalField; message: string } | undefined {
    const { ip, port, hcEnabled, hcHostname, hcPort } = target;
    const own = this.unlisted(orgId, ip, port);
    if (own) return { field: own === 'host' ? 'ip' : 'port', message: MESSAGES[own] };
    const check = hcEnabled ? this.unlisted(orgId, hcHostname ?? ip, hcPort ?? port) : undefined;
    if (!check) return undefined;
    return { field: check === 'host' && hcHostname ? 'hcHostname' : 'hcPort', message: MESSAGES[check] };
  }

  private unlisted(orgId: string, host: string, port: number): 'host' | 'port' | undefined {
    const bits = isIP(host) ? addressBits(host) : undefined;
    const near = this.entries.filter((entry) => entry.orgId === orgId && (!bits || entry.network.contains(bits)));
    if (near.length === 0) return 'host';
    return near.some(({ from, to }) => port >= from && port <= to) ? undefined : 'port';
  }
}

const MESSAGES = {
  host: 'is not among the LOCAL_TARGETS of the organization, which are what the server dials for local sites',
  port: 'is not a port of the LOCAL_TARGETS of the organization there, which are what the server dials for local sites',
};

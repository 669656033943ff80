import { type IpNetwork, parseNetwork } from '../../../contracts/index.js';
import { misconfigured } from '../cli/exit-codes.js';

/** What `--allow` names: a network and, where they are given, ports. */
export type Allowed = { network: IpNetwork; ports: string };

/** @param texts as `--allow` takes them: `CIDR`, or `CIDR:PORT` and `CIDR:FROM-TO` with IPv6 in brackets. @throws AgentExit 78 */
export function readAllowed(texts: readonly string[]): Allowed[] {
  return texts.map((text) => {
    const [, cidr = text, ports = '*'] =
      /^(\[.+\](?:\/\d+)?|[^:]+):([\d-]+)$/.exec(parseNetwork(text) ? '' : text) ?? [];
    const network = parseNetwork(cidr.replace(/[[\]]/g, ''));
    if (network && (ports === '*' || isRange(ports))) return { network, ports };
    throw misconfigured(
      `--allow ${text} is not a CIDR, with or without a port or a range of ports, such as 10.0.0.0/8:443`,
    );
  });
}

function isRange(text: string): boolean {
  const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  return Number(from) >= 1 && Number(from) <= Number(to) && Number(to) <= 65_535;
}

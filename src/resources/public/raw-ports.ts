import { Injectable } from '@nestjs/common';
import { Config, isRawPort } from '#platform';

interface RawPortOwner {
  http: boolean;
  protocol: string;
  proxyPort: number | null;
}

/** On which ports raw resources may be: RAW_PORTS (docs/edge.md, Raw resources). */
@Injectable()
export class RawPorts {
  constructor(private readonly config: Config) {}

  /** @returns a sentence about a port that is none of them */
  problem(port: number): string | undefined {
    const { edge } = this.config;
    if (isRawPort(edge, port)) return undefined;
    if (edge.rawPorts.length === 0) return 'cannot be served: RAW_PORTS of the server names no ports for raw resources';
    const ranges = edge.rawPorts.map(({ from, to }) => (from === to ? from : `${from}-${to}`));
    return `is not among RAW_PORTS of the server (${ranges.join(', ')})`;
  }

  /** Why the port of a resource is not served. @param told what was found when it was opened */
  errorOf({ http, protocol, proxyPort }: RawPortOwner, told: string | null): string | null {
    const problem = http || proxyPort === null ? undefined : this.problem(proxyPort);
    return problem === undefined ? told : `${protocol} port ${proxyPort} ${problem}`;
  }
}

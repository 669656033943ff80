import type {
  AgentHealthCheck,
  AgentLists,
  AgentResource,
  AgentTarget,
  AgentTunnel,
} from '../../../contracts/index.js';

/** More than a server can use. */
const MAX_CONNECTIONS = 8;

const isPort = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
const isText = (value: unknown): value is string => typeof value === 'string';

/** @returns undefined where the server offers no tunnels that this version can open */
export function readTunnel(data: unknown): AgentTunnel | undefined {
  const { connections, endpoints } = (data ?? {}) as Record<string, unknown>;
  if (!Number.isInteger(connections) || (connections as number) < 1) return undefined;
  return {
    connections: Math.min(connections as number, MAX_CONNECTIONS),
    endpoints: Array.isArray(endpoints) ? endpoints.filter(isText) : [],
  };
}

/** The lists of a state: what cannot be read is not there, and is not dialed. */
export function readLists({ targets, healthChecks, resources }: Record<string, unknown>): AgentLists {
  return {
    targets: entries(targets).filter(isTarget),
    healthChecks: entries(healthChecks).filter(isHealthCheck),
    resources: entries(resources).filter(isResource),
  };
}

const entries = (list: unknown): Record<string, unknown>[] =>
  Array.isArray(list) ? list.filter((one) => typeof one === 'object' && one !== null) : [];

function isTarget(one: Record<string, unknown>): one is AgentTarget {
  const { id, protocol, host, port } = one;
  return Number.isInteger(id) && (protocol === 'tcp' || protocol === 'udp') && isText(host) && isPort(port);
}

function isHealthCheck(one: Record<string, unknown>): one is AgentHealthCheck {
  const { targetId, revision, mode, host, port } = one;
  return Number.isInteger(targetId) && Number.isInteger(revision) && isText(mode) && isText(host) && isPort(port);
}

function isResource(one: Record<string, unknown>): one is AgentResource {
  const { id, mode, destination, tcpPorts, udpPorts } = one;
  return (
    Number.isInteger(id) &&
    (mode === 'host' || mode === 'cidr' || mode === 'http') &&
    isText(destination) &&
    isText(tcpPorts) &&
    isText(udpPorts)
  );
}

import { isLoopbackIp, isWithin, parseIp, parseNetwork } from './ip-addresses.js';

/**
 * The tunnel between server and Gatehouse agent (docs/tunnel.md): HTTP/2 over an upgraded connection, the server being the client. Each stream is a
 * CONNECT whose `:authority` names what the agent is to dial.
 */
export const TUNNEL = {
  path: '/api/v1/tunnel',
  /** The upgrade after which the connection is a plain socket; `websocket` is the other one. */
  protocol: 'gatehouse-tunnel',
  /** Of the 101: the server process that has answered. */
  serverHeader: 'gatehouse-server',
  /** How many connections an agent keeps. */
  connections: 2,
  /** How often an agent dials again to reach another process than it has. */
  redials: 5,
  pingSeconds: 15,
  /** Pings without an answer after which a connection is given up. */
  pingMisses: 2,
} as const;

/** Fields of a CONNECT, and of its answer. */
export const TUNNEL_FIELD = {
  /** {@link TunnelPayload}. Absent: `tcp`. */
  payload: 'gatehouse-payload',
  /** The agent speaks TLS to the target: `verify` judges its certificate, `accept` takes any. Absent: no TLS. */
  tls: 'gatehouse-tls',
  /** Server name of that TLS. Absent: the target's host. */
  tlsName: 'gatehouse-tls-name',
  /** ALPN protocol of that TLS. Absent: none is offered. */
  tlsProtocol: 'gatehouse-tls-protocol',
  /** Of an answer that is not 200: {@link TunnelError}. */
  error: 'gatehouse-error',
} as const;

/** `:protocol` of the extended CONNECT (RFC 8441) that carries a UDP flow (RFC 9298). */
export const CONNECT_UDP = 'connect-udp';

/**
 * What a stream carries. `http`: the end of the server's side means that the exchange is given up, so that no stream need be reset. `tcp`: it is the end of
 * that direction.
 */
export type TunnelPayload = 'http' | 'tcp';
export type TunnelTls = 'verify' | 'accept';

/**
 * Why an agent did not connect: the state does not list it; its operator or the rules of addresses forbid it; its name has no address; it refused; it did
 * not answer; it cannot be reached; its TLS failed; the request cannot be read.
 */
export const TUNNEL_ERRORS = {
  not_listed: 403,
  not_allowed: 403,
  unresolved: 502,
  refused: 502,
  timeout: 504,
  unreachable: 502,
  tls: 502,
  bad_request: 400,
} as const;
export type TunnelError = keyof typeof TUNNEL_ERRORS;

/**
 * In `agent/welcome`, and in `agent/tunnel` when the server processes have changed: how many connections to keep, and one entry for each process: where it
 * is reached, '' being where the session is.
 */
export type AgentTunnel = { connections: number; endpoints: string[] };

/** A target of a public resource, which the agent may dial. */
export type AgentTarget = { id: number; protocol: 'tcp' | 'udp'; host: string; port: number };

/** A check of a target's health; what is absent is the agent's default (docs/integration-api.md §3.6). */
export type AgentHealthCheck = {
  targetId: number;
  /** Grows with each change of the target; what is found out says by which of them (docs/health.md rule 6). */
  revision: number;
  /** `http`, `https` or `tcp`. */
  mode: string;
  host: string;
  port: number;
  scheme?: string;
  path?: string;
  method?: string;
  headers?: { name: string; value: string }[];
  /** The status that is healthy; 0: any of 2xx. Absent: any of 2xx and 3xx. */
  status?: number;
  interval?: number;
  unhealthyInterval?: number;
  timeout?: number;
  followRedirects?: boolean;
  tlsServerName?: string;
  healthyThreshold?: number;
  unhealthyThreshold?: number;
};

/** A private resource: an address or name, or a network, and its ports as `443,8000-8080`, `*` for all, '' for none. */
export type AgentResource = {
  id: number;
  mode: 'host' | 'cidr' | 'http';
  destination: string;
  tcpPorts: string;
  udpPorts: string;
};

/** What a site's agent may dial. */
export type AgentLists = { targets: AgentTarget[]; healthChecks: AgentHealthCheck[]; resources: AgentResource[] };
/** Something to dial, as a CONNECT names it. */
export type Destination = { protocol: 'tcp' | 'udp'; host: string; port: number };

/** Whether ports written as `443,8000-8080` include this one. */
export function portsInclude(ports: string, port: number): boolean {
  return ports.split(',').some((part) => {
    if (part.trim() === '*') return true;
    const [, from, to = from] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    return from !== undefined && port >= Number(from) && port <= Number(to);
  });
}

const plainHost = (host: string): string => host.toLowerCase().replace(/^\[(.*)\]$/, '$1');

/** Answers for each destination whether the lists have it: both ends of the tunnel end what they do not. */
export function listedBy({ targets, healthChecks, resources }: AgentLists): (to: Destination) => boolean {
  const places = new Set<string>();
  const place = (protocol: string, host: string, port: number) => `${protocol} ${port} ${plainHost(host)}`;
  for (const { protocol, host, port } of targets) places.add(place(protocol, host, port));
  for (const { host, port } of healthChecks) places.add(place('tcp', host, port));
  return ({ protocol, host, port }) => {
    if (places.has(place(protocol, host, port))) return true;
    const address = parseIp(plainHost(host));
    return resources.some(({ mode, destination, tcpPorts, udpPorts }) => {
      if (!portsInclude(protocol === 'tcp' ? tcpPorts : udpPorts, port)) return false;
      if (mode !== 'cidr') return plainHost(destination) === plainHost(host);
      // No network means the agent's own machine.
      if (address === undefined || isLoopbackIp(address)) return false;
      const network = parseNetwork(destination);
      return network !== undefined && isWithin(address, network);
    });
  };
}

/** `host:port` of a CONNECT, IPv6 in brackets. */
export const authorityOf = ({ host, port }: Pick<Destination, 'host' | 'port'>): string =>
  host.includes(':') ? `[${plainHost(host)}]:${port}` : `${host}:${port}`;

/** @returns undefined for what is no `host:port` */
export function readAuthority(authority: unknown): Pick<Destination, 'host' | 'port'> | undefined {
  const found =
    typeof authority === 'string' ? /^(\[[0-9a-f:.%]+\]|[^[\]:/@\s]{1,253}):(\d{1,5})$/i.exec(authority) : null;
  const port = Number(found?.[2]);
  return found && port >= 1 && port <= 65_535 ? { host: plainHost(found[1]!), port } : undefined;
}

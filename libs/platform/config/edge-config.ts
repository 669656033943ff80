import type { EnvReader } from './env-reader.js';
import { type PortRange, readPortRange } from './rules.mjs';

/** Where the edge takes public traffic, and what it knows of visitors. */
export interface EdgeConfig {
  readonly port: number;
  /** Whether EDGE_PORT is set: a usual port that another program has is no reason not to start. */
  readonly portGiven: boolean;
  readonly host: string;
  /** Absent: no TLS at the edge. */
  readonly tlsPort?: number;
  /** Of its certificates. */
  readonly certDir?: string;
  /** Connections begin with a header of the PROXY protocol, and come from TRUST_PROXY alone. */
  readonly proxyProtocol: boolean;
  /** Where proxies in front of the edge ask for its hosts; absent: nowhere. */
  readonly internalPort?: number;
  readonly internalHost: string;
  /** On which raw resources may be served. */
  readonly rawPorts: readonly PortRange[];
  /** For how long the edge serves by what it knew last, when it cannot follow the database. */
  readonly staleSeconds: number;
  /** Files in MaxMind's format; absent: nothing is known of countries, or of networks. */
  readonly geoipDb?: string;
  readonly geoipAsnDb?: string;
}

/** @returns whether raw resources may be served on a port */
export const isRawPort = ({ rawPorts }: Pick<EdgeConfig, 'rawPorts'>, port: number): boolean =>
  rawPorts.some(({ from, to }) => port >= from && port <= to);

export function readEdge(env: EnvReader): EdgeConfig {
  const file = (name: 'GEOIP_DB' | 'GEOIP_ASN_DB') => (env.optional(name) === undefined ? undefined : env.path(name));
  return {
    port: env.whole('EDGE_PORT'),
    portGiven: env.isGiven('EDGE_PORT'),
    host: env.optional('EDGE_HOST') ?? env.text('HOST'),
    tlsPort: env.optional('EDGE_TLS_PORT') === undefined ? undefined : env.whole('EDGE_TLS_PORT'),
    certDir: env.optional('EDGE_CERT_DIR') === undefined ? undefined : env.path('EDGE_CERT_DIR'),
    proxyProtocol: env.text('EDGE_PROXY_PROTOCOL') === 'true',
    internalPort: env.optional('INTERNAL_PORT') === undefined ? undefined : env.whole('INTERNAL_PORT'),
    internalHost: env.text('INTERNAL_HOST'),
    rawPorts: env.list('RAW_PORTS').map((entry) => readPortRange(entry)!),
    staleSeconds: env.whole('EDGE_STALE_SECONDS'),
    geoipDb: file('GEOIP_DB'),
    geoipAsnDb: file('GEOIP_ASN_DB'),
  };
}

import { isIP } from 'node:net';
import type { EnvReader } from './env-reader.js';

/** Where and how the server listens, and what it lets strangers hold open. */
export interface HttpConfig {
  readonly port: number;
  readonly host: string;
  /** Origin without a path; with PORT=0 the listener sets its port. */
  readonly publicUrl: URL;
  /** Whether PUBLIC_URL is set, not made of HOST and PORT. */
  readonly publicUrlGiven: boolean;
  readonly tls?: { certFile: string; keyFile: string };
  /** Addresses, CIDRs or the words loopback, linklocal, uniquelocal; empty: nobody is believed. */
  readonly trustProxy: readonly string[];
  /** Of the listener for machines alone (docs/credentials.md §4); absent: there is none. */
  readonly deviceTlsPort?: number;
  /** Clients of the main port are asked for certificates: all, or those that name this host; absent: nobody is. */
  readonly mainPortCertificates?: { name?: string };
  /** Proxies that are believed about certificates of clients, and where the secret is that they send; absent: nobody is. */
  readonly clientCert?: { from: readonly string[]; secretFile: string };
  /** Absent: no metrics. */
  readonly metricsPort?: number;
  readonly unfinishedPerAddress: number;
  readonly unfinishedTotal: number;
  readonly unreadSeconds: number;
  readonly unreadMegabytes: number;
}

export function readHttp(env: EnvReader): HttpConfig {
  const [port, host] = [env.whole('PORT'), env.text('HOST')];
  const tls = env.optional('TLS_CERT_FILE')
    ? { certFile: env.path('TLS_CERT_FILE'), keyFile: env.path('TLS_KEY_FILE') }
    : undefined;
  return {
    port,
    host,
    publicUrl: new URL(env.optional('PUBLIC_URL') ?? defaultPublicUrl(host, port, tls !== undefined)),
    publicUrlGiven: env.optional('PUBLIC_URL') !== undefined,
    tls,
    trustProxy: env.list('TRUST_PROXY'),
    deviceTlsPort: env.optional('DEVICE_TLS_PORT') === undefined ? undefined : env.whole('DEVICE_TLS_PORT'),
    mainPortCertificates:
      env.text('MTLS_ON_MAIN_PORT') === 'true' ? { name: env.domain('DEVICE_TLS_NAME') } : undefined,
    clientCert: env.optional('CLIENT_CERT_FROM')
      ? { from: env.list('CLIENT_CERT_FROM'), secretFile: env.path('CLIENT_CERT_SECRET_FILE') }
      : undefined,
    metricsPort: env.optional('METRICS_PORT') === undefined ? undefined : env.whole('METRICS_PORT'),
    unfinishedPerAddress: env.whole('UNFINISHED_PER_ADDRESS'),
    unfinishedTotal: env.whole('UNFINISHED_TOTAL'),
    unreadSeconds: env.whole('UNREAD_SECONDS'),
    unreadMegabytes: env.whole('UNREAD_MEGABYTES'),
  };
}

function defaultPublicUrl(host: string, port: number, https: boolean): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : isIP(host) === 6 ? `[${host}]` : host;
  return `${https ? 'https' : 'http'}://${name}:${port}`;
}

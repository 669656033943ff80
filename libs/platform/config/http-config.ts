import { isIP } from 'node:net';
import { ConfigError, type EnvReader, HOST_NAME } from './env-reader.js';

/** Where and how the server listens, and what it lets strangers hold open. */
export interface HttpConfig {
  readonly port: number;
  readonly host: string;
  /** Origin without a path; with PORT=0 the listener sets its port. */
  readonly publicUrl: URL;
  readonly tls?: { certFile: string; keyFile: string };
  /** Addresses, CIDRs or the words loopback, linklocal, uniquelocal; empty: nobody is believed. */
  readonly trustProxy: readonly string[];
  /** Absent: no metrics. */
  readonly metricsPort?: number;
  readonly unfinishedPerAddress: number;
  readonly unfinishedTotal: number;
}

export function readHttp(env: EnvReader): HttpConfig {
  const port = env.whole('PORT', 0, 65535);
  const host = env.text('HOST');
  if (!isIP(host) && !HOST_NAME.test(host))
    throw new ConfigError(`HOST must be an address or a host name, not "${host}".`);

  const set = (['TLS_CERT_FILE', 'TLS_KEY_FILE'] as const).filter((name) => env.given(name));
  if (set.length === 1) {
    const unset = set[0] === 'TLS_CERT_FILE' ? 'TLS_KEY_FILE' : 'TLS_CERT_FILE';
    throw new ConfigError(`${set[0]} is set but ${unset} is not; HTTPS needs both.`);
  }
  const tls = set.length === 2 ? { certFile: env.path('TLS_CERT_FILE'), keyFile: env.path('TLS_KEY_FILE') } : undefined;

  const metricsPort = env.optional('METRICS_PORT') === undefined ? undefined : env.whole('METRICS_PORT', 0, 65535);
  if (metricsPort && metricsPort === port)
    throw new ConfigError(`METRICS_PORT must differ from PORT, both are ${port}.`);

  return {
    port,
    host,
    publicUrl: parsePublicUrl(env.given('PUBLIC_URL') || defaultPublicUrl(host, port, tls !== undefined)),
    tls,
    trustProxy: checkedProxies(env.list('TRUST_PROXY')),
    metricsPort,
    unfinishedPerAddress: env.whole('UNFINISHED_PER_ADDRESS', 1, 1_000_000),
    unfinishedTotal: env.whole('UNFINISHED_TOTAL', 1, 1_000_000),
  };
}

function defaultPublicUrl(host: string, port: number, https: boolean): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : isIP(host) === 6 ? `[${host}]` : host;
  return `${https ? 'https' : 'http'}://${name}:${port}`;
}

function parsePublicUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const origin =
    url &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.pathname === '/' &&
    !url.search &&
    !url.hash &&
    !url.username;
  if (!origin)
    throw new ConfigError(`PUBLIC_URL must look like https://gatehouse.example.com, without a path, not "${value}".`);
  return url;
}

function checkedProxies(entries: string[]): string[] {
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = isIP(address);
    const prefixOk = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
    const named = ['loopback', 'linklocal', 'uniquelocal'].includes(entry);
    if (!named && (!family || !prefixOk || rest.length > 0)) {
      throw new ConfigError(
        `TRUST_PROXY must list addresses or CIDRs of proxies, comma separated; "${entry}" is neither.`,
      );
    }
  }
  return entries;
}

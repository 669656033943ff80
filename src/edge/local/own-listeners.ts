import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Config } from '#platform';
import type { Listener } from '../policy/dial-policy.js';

const POSTGRES_PORT = 5432;

/**
 * Where this installation listens, by addresses: this process, its database, and other processes as they announce themselves (`host:port`). Names are
 * resolved anew each time; one that has no address now is left out.
 * @param bound the port that this process got, where PORT is 0
 * @param rawPorts of raw resources, which each of the processes serves
 */
export async function ownListeners(
  config: Config,
  bound: number,
  others: readonly string[],
  rawPorts: readonly number[],
): Promise<Listener[]> {
  const { host, port, deviceTlsPort, metricsPort, publicUrl } = config.http;
  const ports = new Set([port, bound, deviceTlsPort, metricsPort].filter((one) => one !== undefined && one > 0));
  const places = [
    ...[...ports].map((one) => ({ host, port: one! })),
    ...[config.edge.port, config.edge.tlsPort].flatMap((port) => (port ? [{ host: config.edge.host, port }] : [])),
    ...(config.edge.internalPort ? [{ host: config.edge.internalHost, port: config.edge.internalPort }] : []),
    ...databasesOf(config.database.url),
    ...[publicUrl.href, ...others].flatMap(placeOf),
    ...[config.edge.host, ...others.flatMap(placeOf).map((place) => place.host)].flatMap((host) =>
      rawPorts.map((port) => ({ host, port })),
    ),
  ];
  const hosts = [...new Set(places.map((place) => place.host))];
  const addresses = new Map(await Promise.all(hosts.map(async (host) => [host, await addressesOf(host)] as const)));
  return places.flatMap(({ host, port }) => addresses.get(host)!.map((address) => ({ address, port })));
}

const addressesOf = async (host: string): Promise<string[]> =>
  isIP(host)
    ? [host]
    : lookup(host, { all: true }).then(
        (found) => found.map(({ address }) => address),
        () => [],
      );

/** A host in the query wins over the one of the URL, as it does for pg; a path is a socket, which nobody dials. */
function databasesOf(url: string | undefined): { host: string; port: number }[] {
  if (url === undefined || !URL.canParse(url)) return [];
  const { hostname, port, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? plain(hostname);
  return [
    {
      host: host === '' || host.startsWith('/') ? 'localhost' : host,
      port: Number(searchParams.get('port') ?? port) || POSTGRES_PORT,
    },
  ];
}

/** Of a URL, or of `host:port`. */
function placeOf(text: string): { host: string; port: number }[] {
  const url = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(url)) return [];
  const { hostname, port, protocol } = new URL(url);
  return [{ host: plain(hostname), port: Number(port) || (protocol === 'https:' ? 443 : 80) }];
}

const plain = (hostname: string) => hostname.replace(/^\[(.*)\]$/, '$1');

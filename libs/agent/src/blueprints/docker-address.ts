import { type ClientRequest, type RequestOptions, request } from 'node:http';
import { request as tlsRequest } from 'node:https';

/** Docker's own: of plain connections, and of TLS. */
const PORTS = { tcp: 2375, http: 2375, https: 2376 } as const;

/** Where a Docker engine, or a proxy in front of its socket, takes requests. */
export interface DockerAddress {
  /** As people know it, in the log. */
  name: string;
  request(path: string, options?: RequestOptions): ClientRequest;
}

/**
 * Reads an address as newt does: a path or `unix://` is a socket, `tcp://` and `http://` are a host and a port, `https://` the same by TLS,
 * whose certificate must be good by the authorities that Node knows (`NODE_EXTRA_CA_CERTS` adds to them).
 * @throws Error that says what is wrong with it
 */
export function dockerAddress(setting: string): DockerAddress {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(setting) ?? [undefined, 'unix', setting];
  if (scheme === 'unix') return overSocket(rest!);
  const known = (['tcp', 'http', 'https'] as const).find((one) => one === scheme!.toLowerCase());
  if (!known) throw new Error(`${scheme}:// is none of unix://, tcp://, http:// and https://`);
  let url: URL;
  try {
    // Not as http: there a port 80 would not be seen any more.
    url = new URL(`tcp://${rest}`);
  } catch {
    throw new Error('it is no host and port');
  }
  const { hostname, port, pathname, username, password, search, hash } = url;
  if (hostname === '') throw new Error('it names no host');
  if (username !== '' || password !== '' || search !== '' || hash !== '')
    throw new Error('it has more than a host, a port and a path');
  const server = { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? PORTS[known] : Number(port) };
  const base = pathname.replace(/\/+$/, '');
  const send = known === 'https' ? tlsRequest : request;
  return { name: setting, request: (path, options) => send({ ...options, ...server, path: base + path }) };
}

/** An address as it may stand in the log. */
export const withoutPassword = (setting: string): string => setting.replace(/\/\/[^/]*@/, '//…@');

function overSocket(socketPath: string): DockerAddress {
  if (socketPath === '') throw new Error('it names no socket');
  return {
    name: socketPath,
    request: (path, options) => request({ ...options, socketPath, path, headers: { host: 'docker' } }),
  };
}

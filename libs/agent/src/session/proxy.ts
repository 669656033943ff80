import { BlockList, isIP } from 'node:net';
import { misconfigured } from '../cli/exit-codes.js';

/**
 * The proxy for a URL by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (either case), as Go programs read them: NO_PROXY lists `*`, hosts,
 * domains with their subdomains, addresses and CIDRs, each with an optional port; this machine itself is never proxied.
 * @throws AgentExit 78 when the proxy is not a URL
 */
export function proxyFor(target: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const secure = target.protocol === 'https:' || target.protocol === 'wss:';
  const proxy = secure ? env['HTTPS_PROXY'] || env['https_proxy'] : env['HTTP_PROXY'] || env['http_proxy'];
  if (!proxy || isExempt(target, secure, env['NO_PROXY'] || env['no_proxy'] || '')) return undefined;
  try {
    const url = new URL(proxy.includes('://') ? proxy : `http://${proxy}`);
    if (/^https?:$/.test(url.protocol)) return url;
  } catch {
    // said below
  }
  throw misconfigured(`${secure ? 'HTTPS_PROXY' : 'HTTP_PROXY'} is not an http:// or https:// URL`);
}

function isExempt(target: URL, secure: boolean, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port || (secure ? '443' : '80');
  if (host === 'localhost' || host === '::1' || host.startsWith('127.')) return true;
  return list.split(',').some((entry) => matches(entry.trim().toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '' || entry === '*') return entry === '*';
  const [network = '', bits] = entry.split('/');
  if (bits !== undefined && isIP(network)) return isIP(host) > 0 && inNetwork(network, Number(bits), host);
  if (isIP(entry)) return entry === host;
  const [, name = entry, wantedPort] = /^(.*):(\d+)$/.exec(entry) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const domain = name.replace(/^\*?\./, '').replace(/^\[|\]$/g, '');
  return host === domain || (!isIP(host) && host.endsWith(`.${domain}`));
}

function inNetwork(network: string, bits: number, host: string): boolean {
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  if (!Number.isInteger(bits) || bits < 0 || bits > (family === 'ipv6' ? 128 : 32)) return false;
  const block = new BlockList();
  block.addSubnet(network, bits, family);
  return block.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}

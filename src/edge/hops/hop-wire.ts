import { constants } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http2';
import type { SecureContextOptions } from 'node:tls';
import { CONNECT_UDP, readAuthority, TUNNEL_FIELD } from '#contracts';
import type { StreamTarget, TargetSite } from '../dialing/target-stream.js';

/**
 * Between server processes (docs/adr/0101): HTTP/2 over TLS 1.3 with a pre-shared key. What is asked is CONNECT as over a tunnel, with the site that it is
 * for, and `GET /sites`: the sites to which a tunnel of that process leads, for as long as the stream lasts.
 */
export const HOP = {
  sitesPath: '/sites',
  /** Of a CONNECT. */
  siteField: 'gatehouse-site',
  orgField: 'gatehouse-organization',
  /** From the first byte of a connection to the end of its handshake. */
  handshakeMs: 5_000,
  pingMs: 5_000,
  /** Open at once over one connection. */
  streams: 20_000,
  /** Megabytes that nghttp2 may hold for one connection. */
  sessionMegabytes: 1_024,
} as const;

/** A suite of SHA-256, to which OpenSSL binds external keys. Without certificates and tickets, so that nothing but the key lets in. */
export const HOP_TLS: SecureContextOptions = {
  ca: [],
  ciphers: 'TLS_AES_128_GCM_SHA256',
  minVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_TICKET,
};

export const siteFields = ({ siteId, orgId }: TargetSite): Record<string, string> => ({
  [HOP.siteField]: String(siteId),
  [HOP.orgField]: orgId,
});

/** @returns what a CONNECT asks for; undefined for what cannot be read */
export function readConnect(headers: IncomingHttpHeaders): { site: TargetSite; target: StreamTarget } | undefined {
  const one = (name: string) => (typeof headers[name] === 'string' ? (headers[name] as string) : undefined);
  const at = readAuthority(headers[':authority']);
  const siteId = Number(one(HOP.siteField));
  const orgId = one(HOP.orgField);
  if (headers[':method'] !== 'CONNECT' || !at || !Number.isSafeInteger(siteId) || orgId === undefined) return undefined;
  const site = { siteId, orgId };
  const protocol = headers[':protocol'];
  if (protocol === CONNECT_UDP) return { site, target: { ...at, protocol: 'udp', payload: 'tcp' } };
  const [payload, mode] = [one(TUNNEL_FIELD.payload), one(TUNNEL_FIELD.tls)];
  if (protocol !== undefined || (payload !== 'http' && payload !== 'tcp')) return undefined;
  const target: StreamTarget = { ...at, protocol: 'tcp', payload };
  if (mode === undefined) return { site, target };
  if (mode !== 'verify' && mode !== 'accept') return undefined;
  return {
    site,
    target: { ...target, tls: { mode, name: one(TUNNEL_FIELD.tlsName), protocol: one(TUNNEL_FIELD.tlsProtocol) } },
  };
}

/** Tells which sites have become usable (`+`) or stopped being so (`-`), as a line of ids each. */
export function siteLines(siteIds: Iterable<number>, isUsable: (siteId: number) => boolean): string {
  const [there, gone]: [number[], number[]] = [[], []];
  for (const siteId of siteIds) (isUsable(siteId) ? there : gone).push(siteId);
  return (there.length > 0 ? `+${there.join(' ')}\n` : '') + (gone.length > 0 ? `-${gone.join(' ')}\n` : '');
}

/** Follows such lines, however they come in pieces. */
export class SiteReader {
  private rest = '';

  constructor(private readonly sites: Set<number>) {}

  push(chunk: string): void {
    const lines = (this.rest + chunk).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) {
      const isThere = line.startsWith('+');
      for (const siteId of line.slice(1).split(' ')) {
        if (isThere) this.sites.add(Number(siteId));
        else this.sites.delete(Number(siteId));
      }
    }
  }
}

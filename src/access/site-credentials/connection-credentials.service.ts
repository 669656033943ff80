import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  atMost,
  ClientCertField,
  DeviceAuthorities,
  HandshakeCosts,
  type TlsCredential,
  tlsCredentialOf,
} from '#platform';
import type { Authenticated, SiteIdentity } from './credential-standing.js';
import { pskProof } from './site-admission.js';
import { SiteCredentialsService } from './site-credentials.service.js';
import { TlsConnections } from './tls-connections.service.js';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** For so long a certificate is not verified again; what its row says is asked at each request. */
const VERIFIED_MS = 60_000;

/** The times of a certificate that an authority of its organization has signed for clients; never: it has not. */
interface Verified {
  from: number;
  to: number;
}
const NEVER: Verified = { from: Infinity, to: -Infinity };

/** Site credentials that the connection proves: its own handshake, or the one of a proxy in front of it (docs/credentials.md §4, §5). */
@Injectable()
export class ConnectionCredentials {
  private readonly verified = new LRUCache<string, Verified>({ ...atMost(20_000), ttl: VERIFIED_MS });

  constructor(
    private readonly credentials: SiteCredentialsService,
    private readonly connections: TlsConnections,
    private readonly authorities: DeviceAuthorities,
    private readonly field: ClientCertField,
    private readonly costs: HandshakeCosts,
  ) {}

  /** @returns what was proved, not looked up yet. @throws AppError `validation` for a forged Client-Cert */
  presentedBy(request: IncomingMessage): TlsCredential | undefined {
    return this.field.read(request) ?? tlsCredentialOf(request.socket);
  }

  /** As `SiteCredentialsService.authenticateNewt`; of a certificate signature, times and purpose count as well. */
  async authenticate(credential: TlsCredential): Promise<Authenticated> {
    if (credential.kind === 'psk') return this.credentials.authenticatePsk(credential.identity);
    return this.credentials.authenticateCertificate(credential.hash, async (site, isUsable) => {
      const { from, to } = await this.verify(credential, site);
      const now = Date.now();
      // One that has expired may still renew; its row says for how long.
      return now >= from && (now < to || (!isUsable && to > -Infinity));
    });
  }

  /** A request was let in by what its connection proves: from now on the connection ends with that. */
  admitted(request: IncomingMessage, credential: TlsCredential, site: SiteIdentity): void {
    if (tlsCredentialOf(request.socket) !== credential) return;
    this.costs.admitted(request.socket);
    this.connections.track(request.socket, site);
  }

  /** The connection was upgraded: who speaks on it from now on also ends it. */
  handedOver(socket: Socket): void {
    if (tlsCredentialOf(socket)) this.costs.admitted(socket);
    this.connections.leave(socket);
  }

  private async verify(
    { der, hash }: TlsCredential & { kind: 'certificate' },
    site: Pick<SiteIdentity, 'orgId' | 'caId'>,
  ): Promise<Verified> {
    // Asked each time: an authority is trusted until the end of its overlap (docs/credentials.md §7).
    const authority = site.caId === null ? null : await this.authorities.trusted(site.caId);
    if (authority?.orgId !== site.orgId) return NEVER;
    const key = `${site.orgId} ${site.caId} ${hash.toString('base64')}`;
    const known = this.verified.get(key);
    if (known) return known;
    const times = timesOf(der, authority.certificate);
    this.verified.set(key, times);
    return times;
  }
}

/** What is remembered of a credential of the connection once its site is over. */
export const connectionProof = (credential: TlsCredential): Buffer =>
  credential.kind === 'psk' ? pskProof(credential.identity) : credential.hash;

/** @returns the times of a certificate (DER) that this authority has signed for clients, else `NEVER`. */
export function timesOf(der: Buffer, authority: X509Certificate): Verified {
  const certificate = new X509Certificate(der);
  const isSigned = certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  // Node calls the extended usages so.
  if (!isSigned || certificate.ca || !certificate.keyUsage?.includes(CLIENT_AUTH)) return NEVER;
  return { from: Date.parse(certificate.validFrom), to: Date.parse(certificate.validTo) };
}

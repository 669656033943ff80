import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import * as x509 from '@peculiar/x509';
import {
  base32,
  Config,
  Db,
  DeviceAuthorities,
  type DeviceAuthority,
  InvalidatedCache,
  KeyRing,
  notFound,
  PgNotifications,
  type SealedColumn,
  sha256,
} from '#platform';
import { AuthoritiesRepository, type AuthorityRow } from './authorities.repository.js';
import type { ParsedCsr } from './csr.js';

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const CA_YEARS = 20;

/** A certificate as its device gets it, and what is stored to find it by. */
export interface IssuedCertificate {
  certificate: string;
  /** Up to the organization's authority. */
  chain: string;
  certificateHash: Buffer;
  publicKeyHash: Buffer;
  serial: string;
  caId: string;
}

/** One that signs. */
interface Signing {
  caId: string;
  certificate: x509.X509Certificate;
  key: webcrypto.CryptoKey;
}

interface Trusted extends DeviceAuthority {
  orgUid: string;
  /** By performance.now(); infinite for the one that issues. */
  until: number;
}

/**
 * The certificate authorities of organizations (docs/credentials.md §7). They belong to an organization's identity and not to its id; their keys are
 * stored encrypted under the master key.
 */
@Injectable()
export class CertificateAuthority implements OnModuleInit {
  private readonly signing: InvalidatedCache<Signing>;
  private readonly trusted: InvalidatedCache<Trusted>;

  constructor(
    private readonly db: Db,
    private readonly config: Config,
    private readonly keys: KeyRing,
    private readonly repository: AuthoritiesRepository,
    private readonly provider: DeviceAuthorities,
    notifications: PgNotifications,
  ) {
    const channels = { access_changed: (name: string) => [name] };
    this.signing = new InvalidatedCache(notifications, {
      max: 1_000,
      channels,
      tags: (orgUid) => [authoritiesOf(orgUid)],
    });
    this.trusted = new InvalidatedCache(notifications, {
      max: 5_000,
      channels,
      tags: (caId, found) => (found ? [authoritiesOf(found.orgUid), `org:${found.orgId}`] : [caId]),
    });
  }

  onModuleInit(): void {
    this.provider.provide(async (caId) => {
      const found = await this.trusted.get(caId, () => this.loadTrusted(caId));
      return found && performance.now() < found.until ? found : null;
    });
  }

  /** @returns the device's certificate, good until `notAfter`, with the device id as its subject, and the chain up to the organization's CA (PEM). */
  async issue(orgUid: string, deviceId: string, csr: ParsedCsr, notAfter: Date): Promise<IssuedCertificate> {
    const authority = await this.ofOrg(orgUid);
    const serialNumber = newSerial();
    const lists = this.revocationList(authority.caId);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber,
      subject: `CN=${deviceId}`,
      issuer: authority.certificate.subject,
      notBefore: aMomentAgo(),
      notAfter,
      publicKey: csr.publicKey,
      signingKey: authority.key,
      signingAlgorithm: EC,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
        await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
        ...(lists ? [new x509.CRLDistributionPointsExtension([lists])] : []),
      ],
    });
    return {
      certificate: certificate.toString('pem'),
      chain: authority.certificate.toString('pem'),
      certificateHash: sha256(Buffer.from(certificate.rawData)),
      publicKeyHash: csr.publicKeyHash,
      serial: serialNumber,
      caId: authority.caId,
    };
  }

  /** A new authority, not stored yet. */
  async create(orgId: string): Promise<Omit<AuthorityRow, 'orgId'>> {
    const pair = (await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const caId = base32(randomBytes(10));
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      // A random id: servers show the subjects of their authorities to strangers, who shall not learn whose devices come there.
      name: `CN=Gatehouse device CA ${caId}`,
      notBefore: aMomentAgo(),
      notAfter: yearsFromNow(CA_YEARS),
      keys: pair,
      signingAlgorithm: EC,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
      ],
    });
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey));
    return { caId, certificate: certificate.toString('pem'), sealedKey: this.keys.encrypt(pkcs8, sealedFor(orgId)) };
  }

  /** The private half, as PKCS#8. */
  unseal({ orgId, sealedKey }: Pick<AuthorityRow, 'orgId' | 'sealedKey'>): Buffer {
    return this.keys.decrypt(sealedKey, sealedFor(orgId));
  }

  private async ofOrg(orgUid: string): Promise<Signing> {
    const signing = await this.signing.get(orgUid, async () => {
      const { caId, certificate, ...sealed } = await this.ensured(orgUid);
      return {
        caId,
        certificate: new x509.X509Certificate(certificate),
        key: (await webcrypto.subtle.importKey('pkcs8', this.unseal(sealed), EC, false, [
          'sign',
        ])) as webcrypto.CryptoKey,
      };
    });
    return signing!;
  }

  /** The first use makes one. Two servers may get here at once: the first one wins and both use what it wrote. @throws not_found */
  async ensured(orgUid: string): Promise<AuthorityRow> {
    const found = await this.repository.current(this.db.manager, orgUid);
    if (found) return found;
    const orgId = await this.repository.orgIdOf(this.db.manager, orgUid);
    if (orgId === null) throw notFound('Organization');
    await this.repository.insert(this.db.manager, orgUid, await this.create(orgId));
    return (await this.repository.current(this.db.manager, orgUid))!;
  }

  private async loadTrusted(caId: string): Promise<Trusted | null> {
    const asked = performance.now();
    const row = await this.repository.trusted(this.db.manager, caId);
    if (!row) return null;
    const { orgId, orgUid, certificate, trustedFor } = row;
    return {
      caId,
      orgId,
      orgUid,
      certificate: new X509Certificate(certificate),
      until: trustedFor === null ? Infinity : asked + trustedFor,
    };
  }

  /** Where the certificate says it is. Only an operator knows the name by which this server is reached. */
  private revocationList(caId: string): string | null {
    const { publicUrl, publicUrlGiven } = this.config.http;
    return publicUrlGiven ? new URL(`/api/v1/ca/${caId}/crl`, publicUrl).href : null;
  }
}

/** What `access_changed` says when another authority issues. */
export const authoritiesOf = (orgUid: string): string => `device-ca:${orgUid}`;
const sealedFor = (orgId: string) => `ca:${orgId}`;

/** 16 bytes, and never fewer: some write a number without the zeros that it begins with. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** Clocks of those who judge it may be slow. */
const aMomentAgo = () => new Date(Date.now() - 5 * 60_000);

function yearsFromNow(years: number): Date {
  const then = new Date();
  then.setUTCFullYear(then.getUTCFullYear() + years);
  return then;
}

/** Where the private halves are. */
export const SEALED_AUTHORITIES: SealedColumn = {
  what: 'keys of certificate authorities',
  table: 'device_ca',
  column: 'key_encrypted',
  id: { sql: 'ca_id', type: 'text', first: '' },
  name: 'ca_id',
  about: `'ca:' || (SELECT o.org_id FROM org o WHERE o.org_uid = device_ca.org_uid)`,
};

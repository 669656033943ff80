import { randomBytes, webcrypto } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import * as x509 from '@peculiar/x509';
import { LRUCache } from 'lru-cache';
import { base32, Db, invalid, KeyRing, notFound, query, type SealedColumn } from '#platform';
import { OrgsService } from '../../orgs/index.js';

x509.cryptoProvider.set(webcrypto as never);

/** The public key of a CSR; its subject and extensions are ignored (docs/claims.md "Claim endpoints"). */
export interface ParsedCsr {
  publicKey: x509.PublicKey;
}

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const CA_YEARS = 20;

/**
 * Checks a certificate signing request before any key is looked at (docs/claims.md "Claim endpoints").
 * @throws validation unless it is a self-signed PKCS#10 with P-256, P-384, Ed25519 or RSA 2048–4096.
 */
export async function parseCsr(pem: string): Promise<ParsedCsr> {
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(pem);
  } catch {
    throw invalid('csr', 'is not a PKCS#10 certificate signing request in PEM');
  }
  const algorithm = request.publicKey.algorithm as { name: string; namedCurve?: string; modulusLength?: number };
  const allowed =
    (algorithm.name === 'ECDSA' && ['P-256', 'P-384'].includes(algorithm.namedCurve ?? '')) ||
    algorithm.name === 'Ed25519' ||
    (algorithm.name.startsWith('RSA') && algorithm.modulusLength! >= 2048 && algorithm.modulusLength! <= 4096);
  if (!allowed) throw invalid('csr', 'must hold a P-256, P-384, Ed25519 or RSA (2048-4096 bits) key');
  if (!(await request.verify().catch(() => false))) throw invalid('csr', 'is not signed by its own key');
  return { publicKey: request.publicKey };
}

/** As its organization's row holds it; null as long as nobody needed it. */
interface Stored {
  orgId: string;
  certificate: string | null;
  key: Buffer | null;
}

interface Authority {
  certificate: x509.X509Certificate;
  key: webcrypto.CryptoKey;
}

/** One certificate authority per organization, which is its identity and not its id; its key is stored encrypted under the master key. */
@Injectable()
export class CertificateAuthority {
  private readonly authorities = new LRUCache<string, Authority>({ max: 1000 });

  constructor(
    private readonly db: Db,
    private readonly keys: KeyRing,
    private readonly orgs: OrgsService,
  ) {}

  /** @returns the device's certificate, good until `notAfter`, with the device id as its subject, and the chain up to the organization's CA (PEM). */
  async issue(
    orgUid: string,
    deviceId: string,
    csr: ParsedCsr,
    notAfter: Date,
  ): Promise<{ certificate: string; chain: string }> {
    const authority = await this.ofOrg(orgUid);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
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
      ],
    });
    return { certificate: certificate.toString('pem'), chain: authority.certificate.toString('pem') };
  }

  private async ofOrg(orgUid: string): Promise<Authority> {
    const known = this.authorities.get(orgUid);
    if (known) return known;
    const found = await this.load(orgUid);
    const stored = found.certificate === null ? await this.create(orgUid, found.orgId) : found;
    const pkcs8 = this.keys.decrypt(stored.key!, about(stored.orgId));
    const authority = {
      certificate: new x509.X509Certificate(stored.certificate!),
      key: (await webcrypto.subtle.importKey('pkcs8', pkcs8, EC, false, ['sign'])) as webcrypto.CryptoKey,
    };
    this.authorities.set(orgUid, authority);
    return authority;
  }

  private async load(orgUid: string): Promise<Stored> {
    const [row] = await query<Stored>(
      this.db.manager,
      'SELECT org_id AS "orgId", ca_certificate AS certificate, ca_key_encrypted AS key FROM org WHERE org_uid = $1',
      [orgUid],
    );
    if (!row) throw notFound('Organization');
    return row;
  }

  /** Two servers may get here at once: the first one wins and both use what it wrote. */
  private async create(orgUid: string, orgId: string): Promise<Stored> {
    const pair = (await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      // A random id: servers show the subjects of their authorities to strangers, who shall not learn whose devices come there.
      name: `CN=Gatehouse device CA ${base32(randomBytes(10))}`,
      ...validFor(CA_YEARS),
      keys: pair,
      signingAlgorithm: EC,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
      ],
    });
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey));
    await this.orgs.giveAuthority(orgUid, certificate.toString('pem'), this.keys.encrypt(pkcs8, about(orgId)));
    return this.load(orgUid);
  }
}

const about = (orgId: string) => `ca:${orgId}`;

function serial(): string {
  const bytes = randomBytes(16);
  bytes[0]! &= 0x7f;
  return bytes.toString('hex');
}

/** Clocks of those who judge it may be slow. */
const aMomentAgo = () => new Date(Date.now() - 5 * 60_000);

function validFor(years: number): { notBefore: Date; notAfter: Date } {
  const notBefore = aMomentAgo();
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + years);
  return { notBefore, notAfter };
}

export const SEALED_AUTHORITIES: SealedColumn = {
  what: 'keys of certificate authorities',
  table: 'org',
  column: 'ca_key_encrypted',
  id: { sql: 'org_id', type: 'text', first: '' },
  name: 'org_id',
  about: `'ca:' || org_id`,
};

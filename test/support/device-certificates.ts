import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as never);
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A key of a device, its signing request, and what it can sign itself. */
export class DeviceKey {
  private constructor(
    private readonly keys: webcrypto.CryptoKeyPair,
    readonly pem: string,
    readonly csr: string,
  ) {}

  /** @param subject what the signing request asks for */
  static async make(subject = 'CN=device'): Promise<DeviceKey> {
    const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: subject,
      keys,
      signingAlgorithm: ALGORITHM,
    });
    return new DeviceKey(keys, x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), csr.toString('pem'));
  }

  /** The signing request as EST has it. */
  get base64(): string {
    return this.csr.replace(/-----[^-]+-----|\s/g, '');
  }

  /** A certificate under names, serial number and times of another one, signed by this key. */
  async imitate(pem: string): Promise<string> {
    const { serialNumber, subject, issuer, notBefore, notAfter } = new x509.X509Certificate(pem);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber,
      subject,
      issuer,
      notBefore,
      notAfter,
      publicKey: this.keys.publicKey,
      signingKey: this.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
    });
    return certificate.toString('pem');
  }
}

/** As a proxy tells a certificate (RFC 9440). */
export const clientCert = (pem: string): string =>
  `:${Buffer.from(new x509.X509Certificate(pem).rawData).toString('base64')}:`;

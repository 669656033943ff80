import * as x509 from '@peculiar/x509';
import { AppError, invalid } from '#platform';
import { type ParsedCsr, parseCsr } from '../authority/csr.js';

const LINE = /.{1,64}/g;

/** A certs-only CMS message (RFC 5652 §5, RFC 7030 §4.1.3) of these certificates (PEM), in base64. */
export function certsOnly(certificates: readonly string[]): string {
  const message = new x509.X509Certificates(certificates.map((pem) => new x509.X509Certificate(pem))).export('raw');
  return `${Buffer.from(message).toString('base64').match(LINE)!.join('\n')}\n`;
}

/**
 * The signing request in a body: PKCS#10 in base64, with line breaks or without (RFC 7030 §4.2.1, RFC 8951 §3).
 * @throws unsupported_media_type; validation
 */
export function csrIn(body: unknown): Promise<ParsedCsr> {
  if (typeof body !== 'string')
    throw new AppError(
      'unsupported_media_type',
      'Send a PKCS#10 certificate signing request in base64 (application/pkcs10)',
    );
  const text = body.replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw invalid('csr', 'is not in base64');
  return parseCsr(Buffer.from(text, 'base64'));
}

import * as x509 from '@peculiar/x509';
import { AppError, invalid } from '#platform';
import { type ParsedCsr, parseCsr } from '../authority/csr.js';
import { der } from '../authority/der.js';

const LINE = /.{1,64}/g;
const SIGNED_DATA = Buffer.from('06092a864886f70d010702', 'hex');
const DATA = Buffer.from('06092a864886f70d010701', 'hex');
const VERSION_1 = Buffer.from('020101', 'hex');
const NONE = Buffer.from('3100', 'hex');
const [SEQUENCE, CONTEXT_0] = [0x30, 0xa0];

/**
 * A certs-only CMS message (RFC 5652 §5, RFC 7030 §4.1.3) of these certificates (PEM), in base64. Written here and not by a library, which puts in a content,
 * where there must be none: clients refuse it.
 */
export function certsOnly(certificates: readonly string[]): string {
  const all = certificates.map((pem) => Buffer.from(new x509.X509Certificate(pem).rawData));
  const signed = der(SEQUENCE, VERSION_1, NONE, der(SEQUENCE, DATA), der(CONTEXT_0, ...all), NONE);
  const message = der(SEQUENCE, SIGNED_DATA, der(CONTEXT_0, signed));
  return `${message.toString('base64').match(LINE)!.join('\n')}\n`;
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

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { misconfigured } from '../cli/exit-codes.js';
import type { Settings } from '../config/settings.js';
import { decodeText } from '../config/text.js';

export type TlsOptions = SecureContextOptions & { rejectUnauthorized?: boolean };

type TlsSettings = Pick<
  Settings,
  'tlsClientCertFile' | 'tlsClientKey' | 'tlsClientCa' | 'tlsClientCert' | 'skipTlsVerify'
>;

/**
 * TLS options of every connection to the server. CA files, given alone too, replace the public roots: the operator says whom to trust.
 * @throws AgentExit 78 for a missing or unusable file, which it names, half a pair, or PKCS12 mixed with PEM
 */
export function tlsOptions(settings: TlsSettings): TlsOptions {
  const { tlsClientCertFile: certificate, tlsClientKey: key, tlsClientCa: cas, tlsClientCert: pkcs12 } = settings;
  if ((certificate === '') !== (key === ''))
    throw misconfigured('a client certificate needs both --tls-client-cert-file and --tls-client-key');
  if (pkcs12 !== '' && certificate !== '')
    throw misconfigured('give the client certificate as PKCS12 (--tls-client-cert) or as PEM, not both');
  const options: TlsOptions = {
    ...(cas.length > 0 ? { ca: cas.map((path) => certificates('CA file', path)) } : {}),
    ...(certificate !== '' ? pair(certificate, key) : {}),
    ...(pkcs12 !== '' ? { pfx: bag(pkcs12), passphrase: '' } : {}),
    ...(settings.skipTlsVerify ? { rejectUnauthorized: false } : {}),
  };
  // Without files it would read the public roots, which takes 20 ms, and the start of a program waits for it.
  if (cas.length > 0 || certificate !== '' || pkcs12 !== '') usable('TLS files', options);
  return options;
}

/** The certificates of a file. OpenSSL passes over what it cannot read and would then trust nobody. */
function certificates(what: string, path: string): string {
  const text = pem(what, path, 'certificate');
  const blocks = text.match(/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END \1CERTIFICATE-----/g);
  if (!blocks) throw misconfigured(`the ${what} ${path} holds no whole certificate between BEGIN and END CERTIFICATE`);
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch {
      const which = blocks.length > 1 ? `certificate ${index + 1} of ` : '';
      throw misconfigured(`${which}the ${what} ${path} cannot be read`);
    }
  }
  return text;
}

function pair(certificate: string, key: string): TlsOptions {
  const cert = certificates('client certificate', certificate);
  const secret = pem('client key', key, 'key');
  if (!/-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----/.test(secret))
    throw misconfigured(`the client key ${key} holds no private key (BEGIN PRIVATE KEY)`);
  if (/-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED/.test(secret))
    throw misconfigured(`the client key ${key} is encrypted: give one without a passphrase`);
  usable(`client key ${key}`, { key: secret });
  usable(`client certificate ${certificate} with the key ${key}`, { cert, key: secret });
  return { cert, key: secret };
}

function bag(path: string): Buffer {
  const bytes = read('PKCS12 file', path);
  if (bytes.includes('-----BEGIN '))
    throw misconfigured(
      `the PKCS12 file ${path} is PEM: give it with --tls-client-cert-file, and its key with --tls-client-key`,
    );
  usable(`PKCS12 file ${path}`, { pfx: bytes, passphrase: '' });
  return bytes;
}

/** The text of a PEM file; one in DER is named, with the command that converts it. */
function pem(what: string, path: string, kind: 'certificate' | 'key'): string {
  const bytes = read(what, path);
  // DER begins with the tag of a sequence whose length takes more than a byte.
  if (bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80) {
    const command = kind === 'certificate' ? 'openssl x509' : 'openssl pkey';
    throw misconfigured(
      `the ${what} ${path} is DER, not PEM: convert it with ${command} -inform der -in ${path} -out ${path}.pem`,
    );
  }
  const decoded = decodeText(bytes);
  if ('problem' in decoded) throw misconfigured(`the ${what} ${path} is not PEM: ${decoded.problem}`);
  if (!decoded.text.includes('-----BEGIN '))
    throw misconfigured(`the ${what} ${path} is not PEM: it has no line that begins with -----BEGIN`);
  return decoded.text;
}

function read(what: string, path: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw misconfigured(`the ${what} ${path} cannot be read: ${(error as Error).message}`);
  }
  if (bytes.every((byte) => byte === 0 || byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)))
    throw misconfigured(`the ${what} ${path} is empty`);
  return bytes;
}

function usable(what: string, options: SecureContextOptions): void {
  try {
    createSecureContext(options);
  } catch (error) {
    throw misconfigured(`the ${what} cannot be used: ${(error as Error).message}`);
  }
}

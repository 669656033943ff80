import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { misconfigured } from '../cli/exit-codes.js';
import type { Settings } from '../config/settings.js';

export type TlsOptions = SecureContextOptions & { rejectUnauthorized?: boolean };

type TlsSettings = Pick<
  Settings,
  'tlsClientCertFile' | 'tlsClientKey' | 'tlsClientCa' | 'tlsClientCert' | 'skipTlsVerify'
>;

/**
 * TLS options of every connection to the server. CA files, given alone too, replace the public roots: the operator says whom to trust.
 * @throws AgentExit 78 for a missing or unusable file, half a pair, or PKCS12 mixed with PEM
 */
export function tlsOptions(settings: TlsSettings): TlsOptions {
  const { tlsClientCertFile: certificate, tlsClientKey: key, tlsClientCa: cas, tlsClientCert: pkcs12 } = settings;
  if ((certificate === '') !== (key === ''))
    throw misconfigured('a client certificate needs both --tls-client-cert-file and --tls-client-key');
  if (pkcs12 !== '' && certificate !== '')
    throw misconfigured('give the client certificate as PKCS12 (--tls-client-cert) or as PEM, not both');
  const options: TlsOptions = {
    ...(cas.length > 0 ? { ca: cas.map((path) => read(path, 'CA file')) } : {}),
    ...(certificate !== '' ? { cert: read(certificate, 'client certificate'), key: read(key, 'client key') } : {}),
    ...(pkcs12 !== '' ? { pfx: read(pkcs12, 'PKCS12 file'), passphrase: '' } : {}),
    ...(settings.skipTlsVerify ? { rejectUnauthorized: false } : {}),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw misconfigured(`the TLS files cannot be used: ${(error as Error).message}`);
  }
  return options;
}

function read(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw misconfigured(`the ${what} ${path} cannot be read: ${(error as Error).message}`);
  }
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientCert } from './device-certificates.js';

const SECRET = 's'.repeat(32);

/** What the proxy says where the connection of the client is TLS. */
export const OVER_TLS = { 'x-forwarded-proto': 'https' };
const telling = (field: string) => ({ ...OVER_TLS, 'client-cert': field, 'x-gatehouse-proxy': SECRET });
/** What it says where the client has proved this certificate too. */
export const proving = (pem: string): Record<string, string> => telling(clientCert(pem));

/** A server behind a proxy that ends TLS and tells certificates of clients, which this machine is for it. */
export interface BehindProxy {
  env: Record<string, string>;
  /** The connection of the client is TLS. */
  tls: Record<string, string>;
  /** It is, and the client has proved this certificate. */
  proving(pem: string): Record<string, string>;
  /** It is, and this is in the field. */
  telling(clientCertField: string): Record<string, string>;
  remove(): void;
}

export function behindProxy(): BehindProxy {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-proxy-'));
  const file = join(folder, 'secret');
  writeFileSync(file, SECRET);
  return {
    env: { TRUST_PROXY: '127.0.0.1', CLIENT_CERT_FROM: '127.0.0.1', CLIENT_CERT_SECRET_FILE: file },
    tls: OVER_TLS,
    telling,
    proving,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

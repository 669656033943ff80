// A connection in whose handshake a device proves itself.
import tls from 'node:tls';

/** @typedef {{ identity?: string, psk?: string, cert?: string, key?: string, api_key?: string }} Device */

const PSK_SUITE = 'TLS_AES_128_GCM_SHA256';
/** By the certificate of each, so that no PEM is read for every connection. @type {Map<string | undefined, tls.SecureContext>} */
const contexts = new Map();

/** A connection in whose handshake the device proves itself. Nothing is resumed, since nothing can be. @param {number} port @param {Device} device */
export function tlsConnection(port, { identity, psk, cert, key }) {
  const known = contexts.get(cert ?? identity);
  const secureContext = known ?? tls.createSecureContext(identity ? { ciphers: PSK_SUITE } : { cert, key });
  if (!known) contexts.set(cert ?? identity, secureContext);
  return tls.connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    minVersion: 'TLSv1.3',
    secureContext,
    ...(identity && psk ? { pskCallback: () => ({ identity, psk: Buffer.from(psk, 'base64url') }) } : {}),
  });
}

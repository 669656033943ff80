import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import proxyAddr from '@fastify/proxy-addr';
import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { sameBytes, sha256 } from '../crypto/crypto.js';
import { AppError } from '../errors.js';
import type { TlsCredential } from './tls-credential.js';

const FIELD = 'client-cert';
const CHAIN = 'client-cert-chain';
const SECRET = 'x-gatehouse-proxy';
/** Of one certificate as DER in base64; those that are issued here have less than a kilobyte. */
const MAX_LENGTH = 16_384;
/** A byte sequence of structured fields (RFC 8941 §3.3.5). */
const BYTES = /^:([A-Za-z0-9+/]*={0,2}):$/;

/** The certificate that a client has proved to a proxy in front of this server, as the proxy tells it (RFC 9440; docs/credentials.md §5). */
@Injectable()
export class ClientCertField {
  /** Absent: nobody is believed. */
  private readonly believes: ((request: IncomingMessage) => boolean) | undefined;

  /** @throws when the file with the secret cannot be read */
  constructor(config: Config) {
    const { clientCert } = config.http;
    if (!clientCert) return;
    const trusts = proxyAddr.compile([...clientCert.from]);
    const secret = sha256(readFileSync(clientCert.secretFile, 'utf8').trim());
    this.believes = ({ socket, headers }) => {
      const sent = headers[SECRET];
      return trusts(socket.remoteAddress ?? '', 0) && typeof sent === 'string' && sameBytes(sha256(sent), secret);
    };
  }

  /**
   * @returns the certificate, or undefined where there is none.
   * @throws AppError `validation` for a field that nobody may send but a proxy that is believed, for one too many, and for one spelt with `_`, which
   * such a proxy passes on from anybody
   */
  read(request: IncomingMessage): TlsCredential | undefined {
    const { rawHeaders } = request;
    let value: string | undefined;
    let chains = 0;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!;
      if (name.length !== FIELD.length && name.length !== CHAIN.length) continue;
      const lower = name.toLowerCase();
      const field = lower.replaceAll('_', '-');
      if (field !== FIELD && field !== CHAIN) continue;
      if (field !== lower || !this.believes?.(request))
        throw new AppError('validation', `${name} is taken from proxies of CLIENT_CERT_FROM alone`);
      if (field === FIELD ? value !== undefined : ++chains > 1)
        throw new AppError('validation', `${name} is there more than once`);
      if (field === FIELD) value = rawHeaders[i + 1]!.trim();
    }
    // A proxy that overwrites the field has an empty one where there is no certificate.
    if (value === undefined || value === '' || value === '::') return undefined;
    const der = value.length > MAX_LENGTH ? undefined : BYTES.exec(value)?.[1];
    if (!der)
      throw new AppError('validation', 'Client-Cert is no byte sequence, a certificate in base64 between colons');
    const bytes = Buffer.from(der, 'base64');
    return { kind: 'certificate', der: bytes, hash: sha256(bytes) };
  }
}

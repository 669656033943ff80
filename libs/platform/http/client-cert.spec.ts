import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../config/config.js';
import { AppError } from '../errors.js';
import { ClientCertField } from './client-cert.js';

const folder = mkdtempSync(join(tmpdir(), 'client-cert-'));
const secretFile = join(folder, 'secret');
const secret = 's'.repeat(32);
writeFileSync(secretFile, `${secret}\n`);
afterAll(() => rmSync(folder, { recursive: true }));

const on = new ClientCertField(
  parseConfig({ CLIENT_CERT_FROM: '192.0.2.0/24', CLIENT_CERT_SECRET_FILE: secretFile }, '/'),
);
const off = new ClientCertField(parseConfig({}, '/'));
const der = Buffer.from('a certificate');
const VALUE = `:${der.toString('base64')}:`;
const SAID: [string, string] = ['X-Gatehouse-Proxy', secret];

/** What a field makes of a request: the certificate, nothing, or the code of a refusal. */
function read(field: ClientCertField, from: string, ...fields: [string, string][]): string | undefined {
  const headers = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
  const request = { rawHeaders: fields.flat(), headers, socket: { remoteAddress: from } } as unknown as IncomingMessage;
  try {
    const found = field.read(request);
    return found?.kind === 'certificate' ? found.der.toString() : undefined;
  } catch (error) {
    return (error as AppError).code;
  }
}

describe('Client-Cert', () => {
  it('is taken from a proxy that is named and has the secret', () => {
    expect(read(on, '192.0.2.7', SAID, ['Client-Cert', VALUE])).toBe('a certificate');
    expect(read(on, '::ffff:192.0.2.7', ['client-cert', ` ${VALUE} `], SAID)).toBe('a certificate');
    expect(read(on, '192.0.2.7', SAID, ['Client-Cert', VALUE], ['Client-Cert-Chain', VALUE])).toBe('a certificate');
  });

  it('is none where it is empty or not there', () => {
    for (const value of ['', '::']) expect(read(on, '192.0.2.7', SAID, ['Client-Cert', value])).toBeUndefined();
    for (const field of [on, off]) expect(read(field, '192.0.2.7', ['Client-Name', 'x'], SAID)).toBeUndefined();
  });

  it.each<[string, ClientCertField, string, [string, string][]]>([
    ['from elsewhere', on, '198.51.100.1', [SAID, ['Client-Cert', VALUE]]],
    ['empty from elsewhere', on, '198.51.100.1', [SAID, ['Client-Cert', '']]],
    ['without the secret', on, '192.0.2.7', [['Client-Cert', VALUE]]],
    [
      'with another secret',
      on,
      '192.0.2.7',
      [
        ['X-Gatehouse-Proxy', `${secret}x`],
        ['Client-Cert', VALUE],
      ],
    ],
    [
      'with the secret twice',
      on,
      '192.0.2.7',
      [
        ['X-Gatehouse-Proxy', `${secret}, ${secret}`],
        ['Client-Cert', VALUE],
      ],
    ],
    ['where nobody is believed', off, '192.0.2.7', [SAID, ['Client-Cert', VALUE]]],
    ['as a chain alone from elsewhere', on, '198.51.100.1', [['Client-Cert-Chain', VALUE]]],
    ['with an underscore', on, '192.0.2.7', [SAID, ['Client_Cert', VALUE]]],
    ['with an underscore beside the other', on, '192.0.2.7', [SAID, ['Client-Cert', VALUE], ['client_cert', VALUE]]],
    ['as a chain with underscores', on, '192.0.2.7', [SAID, ['Client-Cert_Chain', VALUE]]],
    ['twice', on, '192.0.2.7', [SAID, ['Client-Cert', VALUE], ['CLIENT-CERT', VALUE]]],
    ['with two chains', on, '192.0.2.7', [SAID, ['Client-Cert-Chain', VALUE], ['Client-Cert-Chain', VALUE]]],
    ['as PEM', on, '192.0.2.7', [SAID, ['Client-Cert', '-----BEGIN CERTIFICATE-----']]],
    ['as two in one', on, '192.0.2.7', [SAID, ['Client-Cert', `${VALUE}, ${VALUE}`]]],
    ['too long', on, '192.0.2.7', [SAID, ['Client-Cert', `:${'A'.repeat(20_000)}:`]]],
  ])('is refused %s', (_, field, from, fields) => {
    expect(read(field, from, ...fields)).toBe('validation');
  });
});

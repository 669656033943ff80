import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { timesOf } from '../../src/access/site-credentials/connection-credentials.service.js';
import { selfSigned } from '../support/certificate.js';
import { DeviceKey } from '../support/device-certificates.js';

/** What 0.1.0 has stored, and signed. */
const fixture = readFileSync(new URL('../fixtures/0.1.0.sql', import.meta.url), 'utf8');
const [authority, device] = [...fixture.matchAll(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs)].map(
  ([pem]) => new X509Certificate(pem.replaceAll('\\n', '\n')),
) as [X509Certificate, X509Certificate];
const NEVER = { from: Infinity, to: -Infinity };

it('takes a certificate of 0.1.0, and nothing that its authority has not signed for clients', async () => {
  expect(timesOf(device.raw, authority)).toEqual({
    from: Date.parse(device.validFrom),
    to: Date.parse(device.validTo),
  });
  const imitation = new X509Certificate(await (await DeviceKey.make()).imitate(device.toString()));
  const other = new X509Certificate((await selfSigned('0a')).cert);
  for (const certificate of [imitation, authority, other]) expect(timesOf(certificate.raw, authority)).toEqual(NEVER);
  expect(timesOf(device.raw, other)).toEqual(NEVER);
  expect(timesOf(other.raw, other)).toEqual(NEVER);
});

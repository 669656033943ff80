import { Buffer } from 'node:buffer';
import { createPrivateKey, sign } from 'node:crypto';
import { promisify } from 'node:util';
import * as x509 from '@peculiar/x509';
import { bytesOf, der } from './der.js';

/** CRLReason (RFC 5280 §5.3.1); 0 is not written. */
export type RevocationReason = 0 | 4 | 5;

export interface RevokedEntry {
  /** In hexadecimal digits. */
  serial: string;
  reason: RevocationReason;
  revokedAt: Date;
}

export interface ListFacts {
  /** Of the authority, PEM. */
  certificate: string;
  number: number;
  madeAt: Date;
  nextUpdate: Date;
}

const signed = promisify(sign) as (
  algorithm: string,
  data: Buffer,
  key: ReturnType<typeof createPrivateKey>,
) => Promise<Buffer>;

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
const REASON_CODE = Buffer.from('0603551d15', 'hex');
const CRL_NUMBER = Buffer.from('0603551d14', 'hex');
const AUTHORITY_KEY_IDENTIFIER = Buffer.from('0603551d23', 'hex');

/** Encodings of some of a list's entries; the whole list is never in memory as objects. */
export const encodeEntries = (entries: readonly RevokedEntry[]): Buffer => Buffer.concat(entries.map(encodeEntry));

/**
 * A certificate revocation list (RFC 5280 §5), DER. Written here and not by a library, whose time grows with the square of the entries (ADR 0064).
 * @param entries from `encodeEntries`. @param privateKey PKCS#8, of P-256
 */
export async function signList(facts: ListFacts, entries: readonly Buffer[], privateKey: Buffer): Promise<Buffer> {
  const authority = new x509.X509Certificate(facts.certificate);
  const keyId = Buffer.from(await authority.publicKey.getKeyIdentifier());
  const list = der(
    TAG.sequence,
    integer(Buffer.from([1])),
    ECDSA_WITH_SHA256,
    Buffer.from(authority.subjectName.toArrayBuffer()),
    time(facts.madeAt),
    time(facts.nextUpdate),
    // Absent, not empty, when there is none (RFC 5280 §5.1.2.6).
    ...(entries.length > 0 ? [der(TAG.sequence, ...entries)] : []),
    der(
      0xa0,
      der(
        TAG.sequence,
        extension(AUTHORITY_KEY_IDENTIFIER, der(TAG.sequence, der(0x80, keyId))),
        extension(CRL_NUMBER, integer(bytesOf(facts.number.toString(16)))),
      ),
    ),
  );
  const key = createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
  const signature = await signed('sha256', list, key);
  return der(TAG.sequence, list, ECDSA_WITH_SHA256, der(TAG.bitString, Buffer.from([0]), signature));
}

function encodeEntry({ serial, reason, revokedAt }: RevokedEntry): Buffer {
  const why =
    reason === 0 ? [] : [der(TAG.sequence, extension(REASON_CODE, der(TAG.enumerated, Buffer.from([reason]))))];
  return der(TAG.sequence, integer(bytesOf(serial)), time(revokedAt), ...why);
}

const extension = (oid: Buffer, value: Buffer) => der(TAG.sequence, oid, der(TAG.octetString, value));

/** Not negative; as short as can be. */
function integer(magnitude: Buffer): Buffer {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const bytes = magnitude.subarray(start);
  return bytes[0]! & 0x80 ? der(TAG.integer, Buffer.from([0]), bytes) : der(TAG.integer, bytes);
}

/** UTCTime until 2049, as RFC 5280 §5.1.2.4 wants it. */
function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '');
  return at.getUTCFullYear() < 2050
    ? der(TAG.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : der(TAG.generalizedTime, Buffer.from(digits, 'latin1'));
}

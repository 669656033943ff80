import { generateKeyPairSync, sign } from 'node:crypto';

/** A signing request (PKCS#10, DER) that costs a server more to read than a stranger to send; below 24 KB, which is what EST takes as base64. */
export interface HostileCsr {
  name: string;
  der: Buffer;
  /** It is within the bounds: what refuses it is what reads it. */
  within?: boolean;
}

const ROOM = 20_000;
const [SEQUENCE, SET, INTEGER, BITS, OID, TEXT] = [0x30, 0x31, 0x02, 0x03, 0x06, 0x0c];
const COMMON_NAME = der(OID, Buffer.from([0x55, 0x04, 0x03]));
const ALTERNATIVE_NAME = der(OID, Buffer.from([0x55, 0x1d, 0x11]));
const EXTENSIONS = der(OID, Buffer.from('2a864886f70d01090e', 'hex'));
const ECDSA = Buffer.from('300a06082a8648ce3d040302', 'hex');
const RSA = Buffer.from('300d06092a864886f70d0101010500', 'hex');

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SPKI = publicKey.export({ type: 'spki', format: 'der' });

const rdn = (text: string) => der(SET, der(SEQUENCE, COMMON_NAME, der(TEXT, Buffer.from(text))));
const times = (n: number, part: Buffer) => Array.from({ length: n }, () => part);
const fill = (part: Buffer) => times(Math.floor(ROOM / part.length), part);
/** Elements beside the others of a request, with which it is still read. */
const READ = 250;

/** Signed by its own key, as it must be: what is hostile gets as far as it can. */
function csr({
  name = [],
  spki = SPKI,
  attributes = [],
}: {
  name?: Buffer[];
  spki?: Buffer;
  attributes?: Buffer[];
}): Buffer {
  const info = der(SEQUENCE, der(INTEGER, Buffer.from([0])), der(SEQUENCE, ...name), spki, der(0xa0, ...attributes));
  return der(SEQUENCE, info, ECDSA, der(BITS, Buffer.from([0]), sign('sha256', info, privateKey)));
}

const extensionsOf = (extensions: Buffer[]) => der(SEQUENCE, EXTENSIONS, der(SET, der(SEQUENCE, ...extensions)));
const rsaKey = (modulus: Buffer, exponent: Buffer) =>
  der(
    SEQUENCE,
    RSA,
    der(BITS, Buffer.from([0]), der(SEQUENCE, der(INTEGER, Buffer.from([0]), modulus), der(INTEGER, exponent))),
  );

/** A key on a curve that has no name. */
const curveOf = (parameters: Buffer[]) =>
  der(
    SEQUENCE,
    der(SEQUENCE, der(OID, Buffer.from('2a8648ce3d0201', 'hex')), der(SEQUENCE, ...parameters)),
    der(BITS, Buffer.alloc(66)),
  );

function nested(tag: number, depth: number): Buffer {
  let inner: Buffer = Buffer.alloc(0);
  for (let i = 0; i < depth && inner.length < ROOM; i++) inner = der(tag, inner);
  return inner;
}

export const HOSTILE_CSRS: readonly HostileCsr[] = [
  { name: 'sequences in sequences', der: nested(SEQUENCE, 10_000) },
  { name: 'indefinite lengths without an end', der: Buffer.from('3080'.repeat(ROOM / 2), 'hex') },
  { name: 'lengths that lie', der: Buffer.from('3084ffffffff'.repeat(ROOM / 6), 'hex') },
  { name: 'ten thousand empty sets', der: der(SEQUENCE, ...fill(der(SET))) },
  { name: 'a name of many parts', der: csr({ name: fill(rdn('x')) }) },
  { name: 'a name of one long part', within: true, der: csr({ name: [rdn('x'.repeat(ROOM))] }) },
  {
    name: 'a name of signs that are escaped',
    within: true,
    der: csr({ name: [rdn(',+"\\<>;#= '.repeat(ROOM / 10))] }),
  },
  {
    name: 'a name whose type is a long number',
    der: csr({
      name: [der(SET, der(SEQUENCE, der(OID, Buffer.concat([Buffer.alloc(ROOM, 0xff), Buffer.from([1])])), der(TEXT)))],
    }),
  },
  {
    name: 'a name whose type has many numbers',
    der: csr({ name: [der(SET, der(SEQUENCE, der(OID, Buffer.alloc(ROOM, 1)), der(TEXT)))] }),
  },
  {
    name: 'many names beside the subject',
    der: csr({
      attributes: [extensionsOf(fill(der(SEQUENCE, ALTERNATIVE_NAME, der(0x04, der(SEQUENCE, der(0x82))))))],
    }),
  },
  {
    name: 'as many names beside the subject as are read',
    within: true,
    der: csr({
      attributes: [extensionsOf(times(READ / 5, der(SEQUENCE, ALTERNATIVE_NAME, der(0x04, der(SEQUENCE, der(0x82))))))],
    }),
  },
  {
    name: 'a name of as many parts as are read',
    within: true,
    der: csr({ name: times(READ / 4, rdn('x'.repeat(60))) }),
  },
  {
    name: 'many attributes',
    der: csr({ attributes: fill(der(SEQUENCE, EXTENSIONS, der(SET, der(SEQUENCE)))) }),
  },
  {
    name: 'a version of 160,000 bits',
    within: true,
    der: der(SEQUENCE, der(SEQUENCE, der(INTEGER, Buffer.alloc(ROOM, 0x7f)))),
  },
  {
    name: 'RSA of 160,000 bits',
    within: true,
    der: csr({ spki: rsaKey(Buffer.alloc(ROOM, 0xff), Buffer.from([1, 0, 1])) }),
  },
  {
    name: 'RSA with an exponent as long as the modulus',
    within: true,
    der: csr({ spki: rsaKey(Buffer.alloc(512, 0xff), Buffer.alloc(511, 0x7f)) }),
  },
  { name: 'a curve by its parameters', der: csr({ spki: curveOf(fill(der(INTEGER, Buffer.from([1])))) }) },
  { name: 'a curve by a few parameters', within: true, der: csr({ spki: curveOf([der(INTEGER, Buffer.from([1]))]) }) },
];

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** Of a number in hexadecimal digits. */
export const bytesOf = (hex: string): Buffer => Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');

/** One element of DER. */
export function der(tag: number, ...contents: Buffer[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const size = length < 0x80 ? Buffer.from([length]) : lengthOf(length);
  return Buffer.concat([Buffer.from([tag]), size, ...contents], 1 + size.length + length);
}

function lengthOf(length: number): Buffer {
  const bytes = bytesOf(length.toString(16));
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

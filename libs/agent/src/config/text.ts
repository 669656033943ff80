import { isUtf8 } from 'node:buffer';

/**
 * The text of a file that somebody wrote by hand: UTF-8 or UTF-16, with or without the mark that editors put in front.
 * @returns what is wrong instead, when it is neither
 */
export function decodeText(bytes: Buffer): { text: string } | { problem: string } {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { text: utf16(bytes.subarray(2)) };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { text: utf16(swapped(bytes.subarray(2))) };
  // Text begins with an ASCII character, so that a zero beside it shows UTF-16 without a mark, and on which side.
  if (bytes.length > 1 && bytes[1] === 0) return { text: utf16(bytes) };
  if (bytes.length > 1 && bytes[0] === 0) return { text: utf16(swapped(bytes)) };
  if (!isUtf8(bytes)) return { problem: 'it is neither UTF-8 nor UTF-16' };
  return { text: withoutMark(bytes.toString('utf8')) };
}

function utf16(bytes: Buffer): string {
  return withoutMark(bytes.toString('utf16le'));
}

function swapped(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(0, bytes.length & ~1)).swap16();
}

function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, '');
}

/** A value without the carriage return and newline that a file with Windows line ends leaves behind it. */
export function withoutLineEnd(value: string): string {
  return value.replace(/[\r\n]+$/, '');
}

/** An environment read from a file with Windows line ends has a carriage return behind each value. */
export function withoutLineEnds(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value === undefined ? value : withoutLineEnd(value)]),
  );
}

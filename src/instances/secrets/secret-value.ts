import { INSTANCE_LIMITS } from '#contracts';
import { invalid } from '#platform';
import type { SecretEncoding } from './secret.dto.js';

/** What was sent, as bytes. @throws validation, which never repeats it */
export function bytesOf(value: string, encoding: SecretEncoding = 'utf8'): Buffer {
  const bytes = Buffer.from(value, encoding);
  if (encoding === 'base64' && bytes.toString('base64') !== value)
    throw invalid('value', 'value must be base64 with padding, as encoding says');
  if (bytes.length > INSTANCE_LIMITS.secretBytes)
    throw invalid('value', `value must be at most ${INSTANCE_LIMITS.secretBytes} bytes`);
  return bytes;
}

/** What a version's value and data key are bound to, so that no row can stand in for another. */
export const secretAbout = (secretId: number, version: number) => `secret:${secretId}:${version}`;

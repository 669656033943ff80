import { INSTANCE_LIMITS } from '#contracts';
import { invalid, type SealedColumn } from '#platform';
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

/** The wrapped key of each version; the values are under that key and stay as they are. */
export const SEALED_SECRETS: SealedColumn = {
  what: 'versions of secrets',
  table: 'secret_version',
  column: 'wrapped_key',
  apart: 'sealed_value',
  id: { sql: 'secret_version_id', type: 'bigint', first: '0' },
  name: `(SELECT s.org_id || ' ' || s.name FROM secret s WHERE s.secret_id = secret_version.secret_id) || ' version ' || version`,
  about: `'secret:' || secret_id || ':' || version`,
};

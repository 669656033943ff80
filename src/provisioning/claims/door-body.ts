import { type ArgumentMetadata, Injectable, type PipeTransform, type Type } from '@nestjs/common';
import { sha256, validationPipe } from '../../../libs/platform/index.js';

/**
 * Devices in the field may send fields that this server does not know (newt does): they are dropped, while a wrong value is still 400.
 * The parameter itself must be typed `unknown`, or the global, strict pipe would see the class first.
 */
export function lenientBody(type: Type<object>): PipeTransform {
  const strict = validationPipe();
  const known = (value: object) => Object.fromEntries(Object.entries(value).filter(([key]) => fieldsOf(type).has(key)));
  @Injectable()
  class LenientBody implements PipeTransform {
    transform(value: unknown, metadata: ArgumentMetadata) {
      const body = typeof value === 'object' && value !== null && !Array.isArray(value) ? known(value) : {};
      return strict.transform(body, { ...metadata, metatype: type });
    }
  }
  return new LenientBody();
}

/** Only a hash of the nonce is kept (rule 5). */
export const nonceHash = (nonce: string | undefined) => (nonce === undefined ? null : sha256(Buffer.from(nonce, 'base64url')));

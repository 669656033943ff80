import type { ArgumentMetadata, PipeTransform, Type } from '@nestjs/common';
import { sha256, validationPipe } from '#platform';
import { flatDtoValidator } from './flat-dto-validator.js';

/**
 * Devices in the field may send fields that this server does not know: they are dropped, while a wrong value is still 400.
 * The parameter itself must be typed `unknown`, or the global, strict pipe would see the class first.
 */
export function lenientBody(type: Type<object>): PipeTransform {
  const pipe = validationPipe(false);
  const accept = flatDtoValidator(type);
  return {
    transform: (value: unknown, metadata: ArgumentMetadata) => {
      const given = typeof value === 'object' && value !== null ? value : {};
      return accept(given) ?? pipe.transform(given, { ...metadata, metatype: type });
    },
  };
}

/** Only a hash of the nonce is kept (docs/claims.md rule 5). */
export const nonceHash = (nonce: string | undefined) =>
  nonce === undefined ? null : sha256(Buffer.from(nonce, 'base64url'));

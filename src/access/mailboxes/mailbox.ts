import { applyDecorators } from '@nestjs/common';
import { IsEmail, Matches } from 'class-validator';

/**
 * An e-mail address that names one mailbox however it is read: without the quoted local parts of RFC 5322, in which a mail program may
 * see a second address or the end of a line.
 */
export const IsMailbox = () =>
  applyDecorators(
    IsEmail(),
    Matches(/^[^\s"\\(),:;<>[\]]+$/, {
      message: '$property must be an e-mail address without quotes, spaces and brackets',
    }),
  );

import { ConfigError, type EnvReader } from './env-reader.js';

/** Who sends mail, through which server. */
export interface MailConfig {
  readonly url: string;
  readonly from: string;
}

/** @returns undefined where no mail is sent. */
export function readMail(env: EnvReader): MailConfig | undefined {
  const value = env.optional('SMTP_URL');
  const from = env.optional('MAIL_FROM');
  if ((value === undefined) !== (from === undefined)) {
    throw new ConfigError(
      value
        ? 'SMTP_URL is set but MAIL_FROM is not; mail needs both.'
        : 'MAIL_FROM is set but SMTP_URL is not; mail needs both.',
    );
  }
  if (value === undefined || from === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  // The value may hold a password: never repeat it.
  if (!url || !['smtp:', 'smtps:'].includes(url.protocol) || !url.hostname) {
    throw new ConfigError('SMTP_URL must look like smtps://user:password@mail.example.com:465.');
  }
  if (!/^([^<>@\r\n]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(from)) {
    throw new ConfigError(
      `MAIL_FROM must look like gatehouse@example.com or Gatehouse <gatehouse@example.com>, not "${from}".`,
    );
  }
  return { url: value, from };
}

import type { EnvReader } from './env-reader.js';

/** Who sends mail, through which server. */
export interface MailConfig {
  readonly url: string;
  readonly from: string;
}

/** @returns undefined where no mail is sent. */
export function readMail(env: EnvReader): MailConfig | undefined {
  const url = env.optional('SMTP_URL');
  const from = env.optional('MAIL_FROM');
  return url === undefined || from === undefined ? undefined : { url, from };
}

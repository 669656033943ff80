import { Injectable, Logger } from '@nestjs/common';
import { createTransport, type Transporter } from 'nodemailer';
import { Config } from '../config/config.js';

/** A mail server that says nothing for so long will not take this mail. */
const PATIENCE_MS = 10_000;

const REASONS: Record<string, string> = {
  EAUTH: 'the mail server refused the login of SMTP_URL',
  EENVELOPE: 'the mail server refused the address',
  EMESSAGE: 'the mail server refused the mail',
  ETIMEDOUT: 'the mail server took too long',
  ECONNECTION: 'the mail server cannot be reached',
  ESOCKET: 'the mail server cannot be reached',
  ECONNREFUSED: 'the mail server cannot be reached',
  EDNS: 'the mail server cannot be reached',
  ETLS: 'the mail server offers no TLS that holds',
};
/** By the code alone: what a mail server says may repeat what it was told. */
const reasonOf = (error: unknown): string =>
  REASONS[String((error as { code?: unknown }).code)] ?? 'the mail server did not take it';

export interface Mail {
  /** One address, taken as it is. */
  to: string;
  subject: string;
  text: string;
}

const MAX_QUOTED = 60;

/** A name that somebody else chose, for a mail: in quotes, on one line, without what could pass for the end of the quotation, and not longer than a name is. */
export function quoted(name: string): string {
  const plain = [
    ...name
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}"]+/gu, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  ];
  return `"${plain.length > MAX_QUOTED ? `${plain.slice(0, MAX_QUOTED).join('')}...` : plain.join('')}"`;
}

/** Mail by SMTP_URL, in the name of MAIL_FROM. Never inside a transaction: a mail server may take its time, and nothing calls a mail back. */
@Injectable()
export class Mailer {
  private readonly logger = new Logger(Mailer.name);
  private readonly transport: Transporter | undefined;
  private readonly from: string | undefined;

  constructor({ mail }: Config) {
    this.from = mail?.from;
    // No pool: mails are rare, and an idle connection would be one more thing to close.
    this.transport =
      mail &&
      createTransport({
        url: mail.url,
        connectionTimeout: PATIENCE_MS,
        greetingTimeout: PATIENCE_MS,
        socketTimeout: PATIENCE_MS,
        dnsTimeout: PATIENCE_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
  }

  /** Whether there is an SMTP_URL. */
  get isConfigured(): boolean {
    return this.transport !== undefined;
  }

  /** Hands a mail to the server. @returns null when it took it, else why not, in words for the caller; a failure is logged, never thrown. */
  async send(mail: Mail): Promise<string | null> {
    if (!this.transport) return 'this server has no SMTP_URL';
    const { transport } = this;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(Object.assign(new Error('The mail server took too long'), { code: 'ETIMEDOUT' })),
        PATIENCE_MS,
      );
    });
    try {
      await Promise.race([
        transport.sendMail({ from: this.from, ...mail, to: { name: '', address: mail.to } }),
        tooLate,
      ]);
      return null;
    } catch (error) {
      // The message of an SMTP error may repeat the address, never the text, which may hold a secret.
      this.logger.warn({ err: error }, 'A mail could not be sent');
      return reasonOf(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

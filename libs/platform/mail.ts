import { Injectable, Logger } from '@nestjs/common';
import { createTransport, type Transporter } from 'nodemailer';
import { Config } from './config.js';

/** A mail server that says nothing for so long will not take this mail. */
const PATIENCE_MS = 10_000;

export interface Mail {
  to: string;
  subject: string;
  text: string;
}

/** Mail by SMTP_URL, in the name of MAIL_FROM. Never inside a transaction: a mail server may take its time, and nothing calls a mail back. */
@Injectable()
export class Mailer {
  private readonly logger = new Logger(Mailer.name);
  private readonly transport: Transporter | undefined;
  private readonly from: string | undefined;

  constructor({ smtp }: Config) {
    this.from = smtp?.from;
    // No pool: mails are rare, and an idle connection would be one more thing to close.
    this.transport = smtp && createTransport({
      url: smtp.url, connectionTimeout: PATIENCE_MS, greetingTimeout: PATIENCE_MS, socketTimeout: PATIENCE_MS, dnsTimeout: PATIENCE_MS,
      disableFileAccess: true, disableUrlAccess: true,
    });
  }

  /** Hands a mail to the server. @returns whether it took it; a failure is logged, never thrown. Without SMTP_URL false. */
  async send(mail: Mail): Promise<boolean> {
    if (!this.transport) return false;
    const { transport } = this;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('The mail server took too long')), PATIENCE_MS);
    });
    try {
      await Promise.race([transport.sendMail({ from: this.from, ...mail }), tooLate]);
      return true;
    } catch (error) {
      // The message of an SMTP error may repeat the address, never the text, which may hold a secret.
      this.logger.warn({ err: error }, 'A mail could not be sent');
      return false;
    } finally {
      clearTimeout(timer);
    }
  }
}

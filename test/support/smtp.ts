import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** As a reader sees it. */
  subject: string;
  /** As it came over the wire, quoted-printable lines joined. */
  text: string;
}

/** The header's lines joined and its encoded words (RFC 2047) decoded. */
function subjectOf(raw: string): string {
  const [, header = ''] = /^Subject: (.*(?:\r\n[ \t].*)*)/m.exec(raw.split('\r\n\r\n', 1)[0]!) ?? [];
  return header
    .replace(/\r\n[ \t]+/g, ' ')
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?UTF-8\?([QB])\?([^?]*)\?=/gi, (_, encoding: string, word: string) =>
      (encoding.toUpperCase() === 'B'
        ? Buffer.from(word, 'base64')
        : Buffer.from(
            word
              .replace(/_/g, ' ')
              .replace(/=([0-9A-F]{2})/g, (_hex, code: string) => String.fromCharCode(parseInt(code, 16))),
            'latin1',
          )
      ).toString(),
    );
}

/** A mail server on loopback that keeps what it is given. */
export class TestMailServer {
  readonly mails: ReceivedMail[] = [];
  /** Refuses every recipient while set. */
  refusing = false;
  /** Accepts connections and says nothing more while set. */
  silent = false;
  private readonly server: SMTPServer;
  private readonly waiting: (() => void)[] = [];

  private constructor() {
    this.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onConnect: (_session, done) => (this.silent ? void this.waiting.push(() => done()) : done()),
      onAuth: ({ username, password }, _session, done) =>
        username === 'gatehouse' && password === 'p@ss'
          ? done(null, { user: username })
          : done(new Error('Wrong user or password')),
      onRcptTo: (_address, _session, done) => done(this.refusing ? new Error('No such mailbox') : null),
      onData: (stream, session, done) => {
        void text(stream).then((raw) => {
          const { mailFrom, rcptTo } = session.envelope;
          this.mails.push({
            from: mailFrom ? mailFrom.address : '',
            to: rcptTo.map(({ address }) => address),
            subject: subjectOf(raw),
            text: raw.replace(/=\r\n/g, '').replace(/=3D/g, '='),
          });
          done();
        });
      },
    });
  }

  static async start(): Promise<TestMailServer> {
    const mail = new TestMailServer();
    await new Promise<void>((listening) => mail.server.listen(0, '127.0.0.1', listening));
    return mail;
  }

  /** `smtp://…`, with a user whose password needs escaping. */
  get url(): string {
    return `smtp://gatehouse:p%40ss@127.0.0.1:${(this.server.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.waiting.forEach((go) => go());
    await new Promise<void>((closed) => this.server.close(closed));
  }
}

import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** As it came over the wire, quoted-printable lines joined. */
  text: string;
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
        username === 'gatehouse' && password === 'p@ss' ? done(null, { user: username }) : done(new Error('Wrong user or password')),
      onRcptTo: (_address, _session, done) => done(this.refusing ? new Error('No such mailbox') : null),
      onData: (stream, session, done) => {
        void text(stream).then((raw) => {
          const { mailFrom, rcptTo } = session.envelope;
          this.mails.push({ from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address), text: raw.replace(/=\r\n/g, '').replace(/=3D/g, '=') });
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

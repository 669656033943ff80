import { CompactEncrypt, importJWK, type JWK } from 'jose';
import { type BundleKey, CREDENTIAL_PATHS, type RenewedCredential, type RenewRequest } from '#contracts';
import type { Credential } from '../../libs/agent/src/credential/credential.js';
import {
  envelopeError,
  expiredCredential,
  type FakeRequest,
  FakeServer,
  type Reply,
  unusableCredential,
} from './fake-server.js';

/** The server's side of renewal on top of {@link FakeServer}, as docs/credentials.md §2 says: a next credential counts from its first use on. */
export class RenewingServer {
  /** Bodies of the requests for a next credential. */
  readonly renewals: RenewRequest[] = [];
  /** Credentials of the site: the current one, then those that are not used yet. */
  readonly issued: { newtId: string; secret: string }[];
  /** What is answered instead; the next credential is stored all the same. */
  reply: ((granted: Reply) => Reply) | undefined;
  /** Asked to open a challenge. */
  bundleKey: BundleKey | undefined;
  expiresAt: string | null = null;
  /** Id of one that has expired, and may be renewed. */
  expired: string | undefined;
  private count = 1;

  private constructor(readonly fake: FakeServer) {
    this.issued = [{ newtId: 'n1', secret: 's1' }];
    this.allow();
    fake.on.other = (request) => this.renew(request);
    fake.on.token = ({ newtId }, granted) => {
      if (newtId === this.expired) return expiredCredential();
      const answer = granted();
      if (answer.status !== 200) return answer;
      this.issued.splice(0, this.issued.length, ...this.issued.filter((one) => one.newtId === newtId));
      this.allow();
      return answer;
    };
  }

  static async start(): Promise<RenewingServer> {
    return new RenewingServer(await FakeServer.start());
  }

  /** Of a machine that has claimed before. */
  async first(): Promise<Credential> {
    return { id: 'n1', secret: 's1' };
  }

  /** Makes a next credential, as it is handed out. */
  next(): RenewedCredential {
    const number = ++this.count;
    this.issued.push({ newtId: `n${number}`, secret: `s${number}` });
    this.allow();
    return { credential_type: 'newt', expires_at: this.expiresAt, newt_id: `n${number}`, secret: `s${number}` };
  }

  async seal(text: string): Promise<string> {
    return new CompactEncrypt(Buffer.from(text))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
      .encrypt(await importJWK(this.bundleKey as JWK, 'ECDH-ES'));
  }

  private allow(): void {
    this.fake.sites.splice(0, this.fake.sites.length);
    this.fake.sites.push(...this.issued.map(({ newtId, secret }) => ({ newtId, secrets: [secret] })));
  }

  private async renew({ url, headers, text }: FakeRequest): Promise<Reply | undefined> {
    if (url !== CREDENTIAL_PATHS.renew) return undefined;
    const request = JSON.parse(text) as RenewRequest;
    this.renewals.push(request);
    const basic = Buffer.from(headers.authorization?.replace('Basic ', '') ?? '', 'base64').toString();
    if (!this.issued.some(({ newtId, secret }) => basic === `${newtId}:${secret}`)) return unusableCredential();
    if (this.bundleKey && request.challenge !== 'opened') {
      const body = envelopeError(403, 'challenge_required', 'Open the challenge');
      return { status: 403, body: { ...body, data: { challenge: await this.seal('opened') } } };
    }
    const granted = { status: 201, body: this.next() };
    return this.reply?.(granted) ?? granted;
  }
}

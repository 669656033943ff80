import { X509Certificate } from 'node:crypto';
import { AGENT_PATHS, CREDENTIAL_PATHS, type ProvisionRequest, type RenewRequest } from '#contracts';
import { makeKey } from '../../libs/agent/src/credential/certificate.js';
import type { Credential } from '../../libs/agent/src/credential/credential.js';
import { selfSigned, TestAuthority } from './certificate.js';
import { expiredCredential, type FakeRequest, FakeServer, type Reply, unusableCredential } from './fake-server.js';

const HOUR = 3_600_000;
export const DEVICE = '6f3b2c1e-0000-4000-8000-000000000001';

/** The server's side of client certificates on top of {@link FakeServer}, as docs/credentials.md §2 says: a next one counts from its first use on. */
export class CertifyingServer {
  readonly claims: ProvisionRequest[] = [];
  readonly renewals: RenewRequest[] = [];
  /** Fingerprints of certificates, as they are good: the current one, then those that were not used yet. */
  issued: string[] = [];
  /** In place of the answer to a claim or renewal, which is issued all the same. */
  reply: ((granted: Reply) => Reply) | undefined;
  /** Likewise of one that has expired, and may be renewed. */
  expired: string | undefined;

  private constructor(
    readonly fake: FakeServer,
    /** PEM, of the server's own certificate. */
    readonly ca: string,
    private readonly authority: TestAuthority,
  ) {
    fake.on.other = (request) => this.answer(request);
  }

  static async start(): Promise<CertifyingServer> {
    const { cert, key } = await selfSigned('0b');
    const fake = await FakeServer.start({ cert, key, requestCert: true, rejectUnauthorized: false });
    return new CertifyingServer(fake, cert, await TestAuthority.create());
  }

  /** Of a machine that has claimed before. */
  async first(): Promise<Credential> {
    const { pem, csr } = makeKey();
    const { certificate, fingerprint } = await this.authority.sign(csr);
    this.issued = [fingerprint];
    return { id: DEVICE, secret: pem, certificate };
  }

  /** How it is called in {@link issued}. */
  nameOf({ certificate }: Credential): string {
    return new X509Certificate(certificate!).fingerprint256;
  }

  private async answer({ url, text, certificate = '' }: FakeRequest): Promise<Reply | undefined> {
    const known = this.issued.indexOf(certificate);
    switch (url) {
      case AGENT_PATHS.provision: {
        const request = JSON.parse(text) as ProvisionRequest;
        this.claims.push(request);
        return this.give(request.csr, { device_id: DEVICE, api_key: '' });
      }
      case AGENT_PATHS.getDeviceToken:
        if (known < 0) return unusableCredential();
        if (certificate === this.expired) return expiredCredential();
        this.issued = [certificate];
        return this.fake.newToken(DEVICE);
      case CREDENTIAL_PATHS.renew: {
        if (known < 0) return unusableCredential();
        const request = JSON.parse(text) as RenewRequest;
        this.renewals.push(request);
        return this.give(request.csr, {});
      }
      default:
        return undefined;
    }
  }

  private async give(csr = '', more: object): Promise<Reply> {
    const { certificate, fingerprint } = await this.authority.sign(csr);
    this.issued.push(fingerprint);
    const body = {
      ...more,
      credential_type: 'certificate',
      certificate,
      certificate_chain: this.authority.certificate,
      expires_at: new Date(Date.now() + 3 * HOUR).toISOString(),
    };
    const granted = { status: 201, body };
    return this.reply?.(granted) ?? granted;
  }
}

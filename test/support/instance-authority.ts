import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { CompactEncrypt, CompactSign, importJWK } from 'jose';
import {
  BUNDLE_ALGORITHMS,
  type BundleKey,
  type BundlePayload,
  JOSE_TYPE,
  type LeasePayload,
  type RevocationPayload,
  type SigningJwk,
} from '#contracts';
import { secretValue } from './secret-values.js';

export type SigningKey = { kid: string; jwk: SigningJwk; secret: KeyObject };
type Header = Record<string, unknown>;

export function signingKey(): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' }) as { x: string };
  const jwk: SigningJwk = { kty: 'OKP', crv: 'Ed25519', x };
  return { jwk, secret: privateKey, kid: thumbprintOf(jwk) };
}

/** RFC 7638. */
export function thumbprintOf({ crv, kty, x }: { crv: string; kty: string; x: string }): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
}

export async function signed(key: SigningKey, typ: string, payload: unknown, header: Header = {}): Promise<string> {
  return new CompactSign(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', typ, kid: key.kid, ...header } as { alg: string })
    .sign(key.secret);
}

export async function sealed(text: string, key: BundleKey, header: Header = {}): Promise<string> {
  const { agree, encrypt } = BUNDLE_ALGORITHMS;
  return new CompactEncrypt(Buffer.from(text))
    .setProtectedHeader({ alg: agree, enc: encrypt, cty: 'JOSE', ...header } as { alg: string; enc: string })
    .encrypt(await importJWK(key, agree));
}

/** What signs in the place of an organization: keys that follow one another, and all that they sign. */
export class Authority {
  readonly org = randomUUID();
  readonly device = randomUUID();
  readonly keys = [signingKey(), signingKey()];
  readonly successions: string[] = [];

  /** The key that signs, and the one that was announced to follow. */
  get current(): SigningKey {
    return this.keys.at(-2) as SigningKey;
  }
  get next(): SigningKey {
    return this.keys.at(-1) as SigningKey;
  }
  get fingerprint(): string {
    return `${this.current.kid}.${this.next.kid}`;
  }

  /** The announced key takes over. */
  async rotate(): Promise<void> {
    const after = signingKey();
    this.successions.push(await this.succession(this.current, this.next, after.kid));
    this.keys.push(after);
  }

  succession(by: SigningKey, key: SigningKey, next: string): Promise<string> {
    const seq = this.successions.length + 2;
    return signed(by, JOSE_TYPE.succession, { iss: this.org, seq, key: key.jwk, next });
  }

  trust(): { keys: (SigningJwk & { kid: string; seq: number })[]; successions: string[] } {
    const keys = this.keys.slice(0, -1).map(({ jwk, kid }, index) => ({ ...jwk, kid, seq: index + 1 }));
    return { keys, successions: [...this.successions] };
  }

  payload(key: BundleKey, change: Partial<BundlePayload> = {}): BundlePayload {
    return {
      iss: this.org,
      sub: this.device,
      aud: this.device,
      ver: 2 ** 32 + 1,
      rnd: 'AAAAAAAAAAAAAAAAAAAAAA',
      cnf: { jkt: thumbprintOf(key as { crv: string; kty: string; x: string }) },
      keys: [this.next.kid],
      env: {},
      files: [],
      config: { secret: secretValue() },
      dependencies: [],
      run: {
        onChange: 'restart',
        onRevoke: 'stop',
        onExpire: 'keep',
        ready: { afterSeconds: 0, timeoutSeconds: 60 },
        stopGraceSeconds: 5,
        offlineGraceSeconds: 86_400,
      },
      ...change,
    };
  }

  statement(payload: unknown, header: Header = {}, key = this.current): Promise<string> {
    return signed(key, JOSE_TYPE.bundle, payload, header);
  }

  async bundle(key: BundleKey, change: Partial<BundlePayload> = {}): Promise<string> {
    return sealed(await this.statement(this.payload(key, change)), key);
  }

  lease(change: Partial<LeasePayload>, key = this.current): Promise<string> {
    const iat = Math.floor(Date.UTC(2026, 0, 1) / 1000);
    return signed(key, JOSE_TYPE.lease, {
      iss: this.org,
      sub: this.device,
      ver: 2 ** 32 + 1,
      digest: '',
      nonce: '',
      jti: randomUUID(),
      prev: null,
      iat,
      exp: iat + 86_400,
      ...change,
    });
  }

  revocation(change: Partial<RevocationPayload> = {}, key = this.current): Promise<string> {
    return signed(key, JOSE_TYPE.revocation, {
      iss: this.org,
      sub: this.device,
      iat: Math.floor(Date.UTC(2026, 0, 1) / 1000),
      reason: 'revoked',
      ...change,
    });
  }
}

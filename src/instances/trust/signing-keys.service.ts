import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { JOSE_TYPE, type SuccessionPayload, type Trust, type TrustFingerprint } from '#contracts';
import {
  conflict,
  Db,
  InvalidatedCache,
  invalid,
  KeyRing,
  notify,
  orgUidOf,
  PgNotifications,
  type Principal,
  type SigningKeysOf,
  SiteTrust,
  type Thumbprints,
} from '#platform';
import { AuditService } from '../../audit/index.js';
import {
  generateSigningKey,
  type JoseType,
  type KeyPair,
  type Signer,
  signerOf,
  signingKeyAbout,
  signWith,
  thumbprintOf,
} from './signing-key.js';
import { type NewSigningKey, type SigningKeyRow, SigningKeysRepository } from './signing-keys.repository.js';
import type { SigningKeysView } from './trust.dto.js';

/** The keys of an organization; its own is ready to sign. */
interface Ring {
  signer: Signer;
  thumbprints: Thumbprints;
  trust: Trust;
}

/**
 * Rotations by the API in thirty days. Each makes what a machine with an old image is answered longer, for ever: this many are 80 KB a year, and
 * agents read 4 MB.
 */
const ROTATIONS = 10;
const TOO_OFTEN = `The signing key was rotated ${ROTATIONS} times in 30 days; on the server's machine npm run admin -- rotate-signing-key ORG does it all the same`;

const KEPT_APART = 'The next signing key is kept apart: npm run admin -- rotate-signing-key ORG --key-file FILE';

/**
 * The keys by which instances know their organization (docs/instances.md §3). The next key is made in advance and announced by its thumbprint, so that
 * a thief of the current one cannot name a successor; a key that was succeeded loses its private half. Keys belong to the identity of an
 * organization, and outlive it while there is something to tell its sites.
 */
@Injectable()
export class SigningKeys implements OnModuleInit, SigningKeysOf {
  private readonly rings: InvalidatedCache<Ring>;

  constructor(
    private readonly db: Db,
    private readonly keyRing: KeyRing,
    private readonly repository: SigningKeysRepository,
    private readonly audit: AuditService,
    private readonly siteTrust: SiteTrust,
    notifications: PgNotifications,
  ) {
    this.rings = new InvalidatedCache(notifications, {
      max: 1_000,
      channels: { access_changed: (name) => [name] },
      tags: (orgUid) => [noticeOf(orgUid)],
    });
  }

  onModuleInit(): void {
    this.siteTrust.provideKeys(this);
  }

  /** Signs with the organization's current key, outside of transactions. @returns a compact JWS. */
  async sign(orgUid: string, typ: JoseType, payload: object): Promise<string> {
    return signWith((await this.ring(orgUid)).signer, typ, payload);
  }

  async thumbprints(orgUid: string): Promise<Thumbprints> {
    return (await this.ring(orgUid)).thumbprints;
  }

  /** What machines are told to trust, of an organization that the caller's transaction has just made. */
  async fingerprintIn(tx: EntityManager, orgUid: string): Promise<TrustFingerprint> {
    return view(await this.ensured(orgUid, tx)).trustFingerprint;
  }

  /** Whether this is one of the organization's keys, with the one that follows it where both are named. What is not known is looked up afresh. */
  async leadsOn(orgUid: string, fingerprint: TrustFingerprint): Promise<boolean> {
    const [kid, next] = fingerprint.split('.');
    const isKnown = async () => {
      const { trust, thumbprints } = await this.ring(orgUid);
      const at = trust.keys.findIndex((key) => key.kid === kid);
      return at >= 0 && (next === undefined || next === (trust.keys[at + 1]?.kid ?? thumbprints.next));
    };
    if (await isKnown()) return true;
    this.rings.forget(orgUid);
    return isKnown();
  }

  /** All keys that ever signed, and the statements that lead from the first to the current one. */
  async trust(orgUid: string): Promise<Trust> {
    return (await this.ring(orgUid)).trust;
  }

  /** GET /org/{orgId}/signing-keys. @throws not_found */
  async list(principal: Principal, orgId: string): Promise<SigningKeysView> {
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    return view(await this.ensured(orgUid));
  }

  /**
   * The next key becomes the current one, and a new next one is made. Everything is made and signed before; of two at once one wins.
   * @param pem the next key, where it is kept apart
   * @throws conflict when another rotation or an export came first, the key is kept apart, or was rotated too often by others than the admin
   *   command; validation for another key
   */
  async rotate(principal: Principal, orgId: string, pem?: string): Promise<SigningKeysView> {
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    const rows = await this.ensured(orgUid);
    const current = rows.find(({ state }) => state === 'current')!;
    const next = rows.find(({ state }) => state === 'next')!;
    const privateHalf = await this.privateHalfOf(orgUid, next, pem);
    const after = await generateSigningKey();
    const statement: SuccessionPayload = { iss: orgUid, seq: next.seq, key: next.publicKey, next: after.kid };
    const signer = signerOf(current.kid, this.unseal(orgUid, current));
    const succession = signWith(signer, JOSE_TYPE.succession, statement);
    const rotated = await this.db.tx(async (tx) => {
      const turned =
        (await this.repository.retire(tx, orgUid, current.kid)) &&
        (await this.repository.promote(tx, orgUid, {
          kid: next.kid,
          sealedKey: this.seal(orgUid, next.seq, privateHalf),
          succession,
          wasApart: next.sealedKey === null,
        }));
      if (!turned) throw conflict('The signing keys were changed at the same moment');
      if (principal.kind !== 'system' && (await this.repository.retiredLately(tx, orgUid)) > ROTATIONS)
        throw conflict(TOO_OFTEN);
      await this.repository.insert(tx, orgUid, [this.rowOf(orgUid, next.seq + 1, 'next', after)]);
      await this.record(tx, principal, orgId, 'signing_key.rotate', next.kid, { from: current.kid, next: after.kid });
      await notify(tx, 'access_changed', noticeOf(orgUid));
      return view(await this.repository.of(tx, orgUid));
    });
    this.rings.forget(orgUid);
    return rotated;
  }

  /**
   * Takes the private half of the next key out of the database. `keep` gets it before it is gone: what it throws undoes everything.
   * @throws conflict when it was taken out before
   */
  async exportNext(principal: Principal, orgId: string, keep: (pem: string) => Promise<void>): Promise<void> {
    const orgUid = await orgUidOf(this.db.manager, principal, orgId);
    await this.ensured(orgUid);
    await this.db.tx(async (tx) => {
      const next = (await this.repository.lockNext(tx, orgUid))!;
      if (!next.sealedKey) throw conflict('The next signing key was taken out before');
      await this.repository.forgetPrivateHalf(tx, orgUid, next.kid);
      await this.record(tx, principal, orgId, 'signing_key.export', next.kid, {});
      await keep(this.unseal(orgUid, next));
    });
  }

  private async ring(orgUid: string): Promise<Ring> {
    const ring = await this.rings.get(orgUid, async () => this.ringOf(orgUid, await this.ensured(orgUid)));
    return ring!;
  }

  private async ringOf(orgUid: string, rows: SigningKeyRow[]): Promise<Ring> {
    const current = rows.find(({ state }) => state === 'current')!;
    const next = rows.find(({ state }) => state === 'next')!;
    const used = rows.filter(({ state }) => state !== 'next');
    return {
      signer: signerOf(current.kid, this.unseal(orgUid, current)),
      thumbprints: { current: current.kid, next: next.kid },
      trust: {
        keys: used.map(({ publicKey, kid, seq }) => ({ ...publicKey, kid, seq })),
        successions: used.flatMap(({ succession }) => succession ?? []),
      },
    };
  }

  /** The first use makes both keys, by a statement of its own: whatever transaction the caller is in may still be undone. */
  private async ensured(orgUid: string, em: EntityManager = this.db.manager): Promise<SigningKeyRow[]> {
    const rows = await this.repository.of(em, orgUid);
    if (rows.length > 0) return rows;
    const [first, second] = [await generateSigningKey(), await generateSigningKey()];
    await this.repository.insert(em, orgUid, [
      this.rowOf(orgUid, 1, 'current', first),
      this.rowOf(orgUid, 2, 'next', second),
    ]);
    return this.repository.of(em, orgUid);
  }

  private async privateHalfOf(orgUid: string, next: SigningKeyRow, pem: string | undefined): Promise<string> {
    if (pem === undefined) {
      if (!next.sealedKey) throw conflict(KEPT_APART);
      return this.unseal(orgUid, next);
    }
    const kid = await thumbprintOf(pem);
    if (kid !== next.kid)
      throw invalid(
        'key',
        kid === null ? 'is no Ed25519 key in PEM' : `is not ${next.kid}, the key that was announced`,
      );
    return pem;
  }

  private rowOf(
    orgUid: string,
    seq: number,
    state: NewSigningKey['state'],
    { kid, publicKey, pem }: KeyPair,
  ): NewSigningKey {
    return { seq, kid, publicKey, sealedKey: this.seal(orgUid, seq, pem), state };
  }

  private seal(orgUid: string, seq: number, pem: string): Buffer {
    return this.keyRing.encrypt(Buffer.from(pem), signingKeyAbout(orgUid, seq));
  }

  private unseal(orgUid: string, { seq, sealedKey }: SigningKeyRow): string {
    return this.keyRing.decrypt(sealedKey!, signingKeyAbout(orgUid, seq)).toString();
  }

  private record(
    tx: EntityManager,
    principal: Principal,
    orgId: string,
    action: string,
    kid: string,
    details: object,
  ): Promise<void> {
    return this.audit.record(tx, principal, {
      orgId,
      action,
      target: { type: 'signing_key', id: kid },
      details: { ...details },
    });
  }
}

const noticeOf = (orgUid: string): string => `signing:${orgUid}`;

const fingerprintOf = ({ current, next }: Thumbprints): TrustFingerprint => `${current}.${next}`;

function view(rows: SigningKeyRow[]): SigningKeysView {
  const current = rows.find(({ state }) => state === 'current')!.kid;
  const next = rows.find(({ state }) => state === 'next')!.kid;
  return {
    current,
    next,
    trustFingerprint: fingerprintOf({ current, next }),
    keys: rows.map(({ kid, seq, state, sealedKey, createdAt, retiredAt }) => ({
      kid,
      seq,
      state,
      keptApart: state === 'next' && sealedKey === null,
      createdAt,
      retiredAt,
    })),
  };
}

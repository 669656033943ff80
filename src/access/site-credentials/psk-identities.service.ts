import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Config, Db, DeviceListener, KeyRing, PeriodicTask, PgNotifications } from '#platform';
import { PskTable } from './psk-table.js';
import { TlsCredentialsRepository } from './tls-credentials.repository.js';

/** As `CredentialIssuer` makes them: the device's id and a part of its own. What has another form cannot be one, and tells nobody anything. */
const IDENTITY = /^[!-~]{1,200}\.[a-z0-9]{8}$/;
const NOBODY = 'nobody';
/** Sites that are read together at the start. */
const PAGE = 5_000;
/** Sites, and identities, that are looked up together. */
const TOGETHER = 1_000;
/** Identities that are waiting to be looked up; guesses beyond are not, and who has a key tries again. */
const WAITING = 1_000;
const SOON_MS = 20;
const RETRY_MS = 500;

/**
 * The keys that handshakes ask for, where OpenSSL does not wait for a database (docs/credentials.md §4): the newest identities of each site with their
 * encrypted keys, read at the start and kept by notices. Only what was proved here is looked up again, by each request.
 */
@Injectable()
export class PskIdentities implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(PskIdentities.name);
  private readonly isOn: boolean;
  /** Opened for who has no key, so that nothing takes another time; made at the first handshake, when it is known which master key is written under. */
  private nobodys: Buffer | undefined;
  private table = new PskTable();
  private readonly sites = new Set<number>();
  private readonly identities = new Set<string>();
  /** All of them are to be read: at the start, and again where notices may have been missed. */
  private stale = true;
  /** Until what is being read is in the table every notice counts. */
  private reading = false;
  /** Rounds begin after the first reading: two at once would undo each other. */
  private started = false;
  private readonly task = new PeriodicTask(PskIdentities.name, {
    failure: 'Pre-shared keys could not be read',
    retryMs: RETRY_MS,
    run: () => this.catchUp(),
  });

  constructor(
    config: Config,
    private readonly db: Db,
    private readonly repository: TlsCredentialsRepository,
    private readonly keys: KeyRing,
    listener: DeviceListener,
    notifications: PgNotifications,
  ) {
    this.isOn = config.http.deviceTlsPort !== undefined;
    if (!this.isOn) return;
    listener.providePskKeys((identity) => this.keyOf(identity));
    notifications.on('site_changed', (siteId) => {
      if (!this.reading && !this.table.has(Number(siteId))) return;
      this.sites.add(Number(siteId));
      this.wake(SOON_MS);
    });
    notifications.on('access_changed', (name) => {
      if (name.startsWith('psk:')) this.lookFor(name.slice('psk:'.length));
    });
    notifications.onReconnected(() => {
      this.stale = true;
      this.wake();
    });
  }

  /** The server is not ready before. */
  async onApplicationBootstrap(): Promise<void> {
    if (!this.isOn) return;
    await this.catchUp();
    this.started = true;
    this.wakeForMore();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }

  /** How many identities have a key here. */
  get size(): number {
    return this.table.size;
  }

  /** @returns the key of an identity; for one that has none, a key that nobody knows, at the same cost; null for what cannot be one. */
  keyOf(identity: string): Buffer | null {
    if (!IDENTITY.test(identity)) return null;
    const sealed = this.table.get(identity, performance.now());
    const unknown = this.keys.mac('unknown-psk', identity);
    try {
      const key = this.keys.decrypt(sealed ?? this.nobody(), aboutPsk(sealed ? identity : NOBODY));
      if (sealed) return key;
    } catch (error) {
      this.logger.error({ err: error }, 'A pre-shared key cannot be decrypted');
    }
    // It may have come to be a moment ago.
    this.lookFor(identity);
    return unknown;
  }

  private nobody(): Buffer {
    this.nobodys ??= this.keys.encrypt(Buffer.alloc(32), aboutPsk(NOBODY));
    return this.nobodys;
  }

  private lookFor(identity: string): void {
    if (this.identities.size >= WAITING) return;
    this.identities.add(identity);
    this.wake(SOON_MS);
  }

  private wake(withinMs = 0): void {
    if (this.started) this.task.wake(withinMs);
  }

  private wakeForMore(): void {
    if (this.stale || this.sites.size > 0 || this.identities.size > 0) this.wake();
  }

  private async catchUp(): Promise<void> {
    this.reading = true;
    try {
      if (this.stale) await this.load();
      await this.lookUp();
    } finally {
      this.reading = false;
    }
    this.wakeForMore();
  }

  private async lookUp(): Promise<void> {
    const [sites, identities] = [take(this.sites), take(this.identities)];
    if (sites.length === 0 && identities.length === 0) return;
    try {
      const readAt = performance.now();
      const found = await this.repository.psksOf(this.db.manager, sites, identities);
      for (const siteId of sites) this.table.drop(siteId);
      for (const psk of found) this.table.add(psk, readAt);
    } catch (error) {
      for (const siteId of sites) this.sites.add(siteId);
      throw error;
    }
  }

  /** What changes meanwhile is looked at afterwards; where a notice of it may have been missed, all is read once more. */
  private async load(): Promise<void> {
    this.stale = false;
    try {
      this.table = await this.all();
    } catch (error) {
      this.stale = true;
      throw error;
    }
  }

  private async all(): Promise<PskTable> {
    const table = new PskTable();
    for (let after = 0; ; ) {
      const sites = await this.repository.sitesAfter(this.db.manager, after, PAGE);
      const readAt = performance.now();
      for (const psk of await this.repository.psksOf(this.db.manager, sites, [])) table.add(psk, readAt);
      if (sites.length < PAGE) return table;
      after = sites.at(-1)!;
    }
  }
}

const aboutPsk = (identity: string): string => `psk:${identity}`;

/** Takes some out. */
function take<T>(from: Set<T>): T[] {
  const taken = [...from].slice(0, TOGETHER);
  for (const each of taken) from.delete(each);
  return taken;
}

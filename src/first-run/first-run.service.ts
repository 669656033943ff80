import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  base32,
  Config,
  Db,
  isDatabaseAway,
  query,
  sameBytes,
  sha256,
  startupRetryOptions,
  systemPrincipal,
  underBootLock,
  writeSecretFile,
} from '#platform';
import { ApiKeysService, UsersService } from '../access/index.js';
import { OrgsService } from '../orgs/index.js';
import { KeysService } from '../provisioning/index.js';
import { type FirstSecrets, firstSecrets } from './banner.js';
import { readSetting, writeSetting } from './settings.js';

export const FIRST_ORG = 'default';
const FIRST_KEY_USES = 25;
const FIRST_KEY_HOURS = 24;
const SYSTEM = systemPrincipal('first run');

/** What an installation starts with, made once, whichever of several servers comes first. */
@Injectable()
export class FirstRun {
  private readonly logger = new Logger('Server');

  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly users: UsersService,
    private readonly apiKeys: ApiKeysService,
    private readonly orgs: OrgsService,
    private readonly provisioningKeys: KeysService,
  ) {}

  /**
   * Makes the first administrator, organization and keys if there are none, and puts
   * ROOT_API_KEY in force. @returns what was made, to be shown once; null on later starts.
   */
  async run(): Promise<FirstSecrets | null> {
    const isFirst = async () => (await readSetting(this.db.manager, 'first_run_at')) === null;
    // What was made stays: a later start need not wait for others to see that.
    if (!this.config.installation.rootApiKey && !(await isFirst())) return null;
    return underBootLock(
      this.config.database.url!,
      async () => {
        const first = await isFirst();
        const made = first ? await this.createAll() : null;
        if (!first && this.config.installation.rootApiKey) await this.applyRootKey();
        return made;
      },
      startupRetryOptions(this.config, (text) => this.logger.warn(text)),
    );
  }

  private async createAll(): Promise<FirstSecrets> {
    const adminPassword = this.config.installation.adminPassword ?? base32(randomBytes(15));
    const passwordHash = await this.users.hashPassword(SYSTEM, adminPassword);
    const validUntil = new Date(Date.now() + FIRST_KEY_HOURS * 3_600_000);
    const file = join(this.config.installation.dataDir, 'first-run.txt');
    try {
      return await this.db.tx(async (tx) => {
        await this.users.createUser(tx, SYSTEM, {
          email: this.config.installation.adminEmail,
          name: 'Administrator',
          passwordHash,
          serverAdmin: true,
        });
        await this.orgs.create(tx, SYSTEM, { orgId: FIRST_ORG, name: 'Default' });
        const rootKey = await this.createRootKey(tx);
        const body = { name: 'first run', maxBatchSize: FIRST_KEY_USES, validUntil: validUntil.toISOString() };
        const key = await this.provisioningKeys.createIn(tx, SYSTEM, FIRST_ORG, body);
        await writeSetting(tx, 'first_run_at', new Date().toISOString());
        // Whoever brought the password along has an administrator whom they know.
        if (this.config.installation.adminPassword) await writeSetting(tx, 'set_up_at', new Date().toISOString());
        const made: FirstSecrets = {
          adminEmail: this.config.installation.adminEmail,
          adminPassword: this.config.installation.adminPassword ? undefined : adminPassword,
          rootApiKey: this.config.installation.rootApiKey ? undefined : rootKey,
          provisioningKey: key.siteProvisioningKey,
          trust: key.trustFingerprint,
          uses: FIRST_KEY_USES,
          validUntil,
        };
        // Before the commit: a secret that exists must be written down somewhere.
        writeSecretFile(file, firstSecrets(made, this.config.http.publicUrl));
        return made;
      });
    } catch (error) {
      // A commit that nobody answered may have been made.
      if (!isDatabaseAway(error)) rmSync(file, { force: true });
      throw error;
    }
  }

  /** ROOT_API_KEY replaces the installation's root key when it changed; keys made by the admin command stay. */
  private async applyRootKey(): Promise<void> {
    const { id, secret } = this.config.installation.rootApiKey!;
    await this.db.tx(async (tx) => {
      const [present] = await query<{ secret_hash: Buffer }>(
        tx,
        'SELECT secret_hash FROM api_key WHERE api_key_id = $1 AND org_id IS NULL',
        [id],
      );
      const current = await readSetting(tx, 'root_api_key_id');
      if (current === id && present && sameBytes(present.secret_hash, sha256(secret))) return;
      for (const old of new Set([current, present ? id : null])) {
        if (old !== null && (await this.rootKeyExists(tx, old))) await this.apiKeys.revokeRootKey(tx, SYSTEM, old);
      }
      await this.createRootKey(tx);
    });
  }

  private async createRootKey(tx: EntityManager): Promise<string> {
    const { apiKeyId, apiKey } = await this.apiKeys.createRootKey(tx, SYSTEM, {
      name: 'installation',
      ...this.config.installation.rootApiKey,
    });
    await writeSetting(tx, 'root_api_key_id', apiKeyId);
    return `${apiKeyId}.${apiKey}`;
  }

  private async rootKeyExists(tx: EntityManager, id: string): Promise<boolean> {
    const rows = await query(tx, 'SELECT FROM api_key WHERE api_key_id = $1 AND org_id IS NULL', [id]);
    return rows.length > 0;
  }
}

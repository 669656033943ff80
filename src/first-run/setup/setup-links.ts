import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Db, execute, Hooks, query, Retention, sha256 } from '#platform';
import { UsersService } from '../../access/index.js';
import { readSetting, writeSettingOnce } from '../settings.js';

const HOURS = 24;

/**
 * Links that set an installation up, once (docs/adr/0080): only hashes of their tokens are stored. Each start prints one until a link was used,
 * or the first administrator logged in by the password of the first run: from then on there is none, and what was printed opens nothing.
 */
@Injectable()
export class SetupLinks implements OnModuleInit {
  constructor(
    private readonly db: Db,
    private readonly users: UsersService,
    private readonly hooks: Hooks,
    private readonly retention: Retention,
  ) {}

  onModuleInit(): void {
    this.retention.register({ table: 'setup_link', expired: 'expires_at < now()' });
    this.hooks.userLoggedIn.register(async (tx, userId) => {
      if (await isSetUp(tx)) return;
      if ((await this.users.firstServerAdmin(tx)) === userId) await this.end(tx);
    });
  }

  /** @returns the token of a new link, or null once the installation is set up. Links of other servers stay good. */
  async create(): Promise<string | null> {
    if (await isSetUp(this.db.manager)) return null;
    const token = randomBytes(32).toString('base64url');
    await execute(
      this.db.manager,
      'INSERT INTO setup_link (token_hash, expires_at) VALUES ($1, now() + make_interval(hours => $2))',
      [sha256(token), HOURS],
    );
    return token;
  }

  /** Whether a link could be used now: before anything is worked out for it. */
  async isOpen(token: string): Promise<boolean> {
    if (await isSetUp(this.db.manager)) return false;
    const rows = await query(this.db.manager, 'SELECT FROM setup_link WHERE token_hash = $1 AND expires_at > now()', [
      sha256(token),
    ]);
    return rows.length > 0;
  }

  /**
   * Uses a link, and ends all of them. Of several browsers the one that writes the setting first gets true, the others wait for its end.
   * @returns false when the link had been used or had expired: the transaction must not commit
   */
  async use(tx: EntityManager, token: string): Promise<boolean> {
    if (!(await writeSettingOnce(tx, 'set_up_at', new Date().toISOString()))) return false;
    const links = await query<{ good: boolean }>(
      tx,
      'DELETE FROM setup_link RETURNING token_hash = $1 AND expires_at > now() AS good',
      [sha256(token)],
    );
    return links.some(({ good }) => good);
  }

  private async end(tx: EntityManager): Promise<void> {
    if (await writeSettingOnce(tx, 'set_up_at', new Date().toISOString()))
      await execute(tx, 'DELETE FROM setup_link', []);
  }
}

const isSetUp = async (em: EntityManager): Promise<boolean> => (await readSetting(em, 'set_up_at')) !== null;

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { Injectable } from '@nestjs/common';
import { AppError, base32, Config, Db, type Principal, systemPrincipal } from '#platform';
import { ApiKeysService, MailboxesService, UsersService } from '../access/index.js';
import { StartError } from './preflight.js';
import { readSetting } from './settings.js';

/** The text that `--help` and wrong arguments are answered with; `scripts/admin.mjs` prints it without a build. */
export const ADMIN_USAGE = readFileSync(new URL('admin-usage.txt', import.meta.url), 'utf8');

/** Arguments that make no command. */
export class AdminUsageError extends Error {
  override readonly name = 'AdminUsageError';
}

/** Commands that run inside the application; `check` runs before there is one. */
export type AdminCommand =
  | ['root-key list', undefined]
  | ['root-key create', string | undefined]
  | ['root-key revoke' | 'reset-password' | 'verify-user', string];

/** Looks at nothing but the arguments: a mistyped command reaches no database, which it would migrate. @throws AdminUsageError */
export function adminCommandOf(args: string[]): ['check', undefined] | AdminCommand {
  const words = args[0] === 'root-key' ? 2 : 1;
  const command = args.slice(0, words).join(' ');
  const [argument, ...rest] = args.slice(words);
  if (rest.length === 0) {
    if ((command === 'check' || command === 'root-key list') && argument === undefined) return [command, argument];
    if (command === 'root-key create') return [command, argument];
    if (
      (command === 'root-key revoke' || command === 'reset-password' || command === 'verify-user') &&
      argument !== undefined
    )
      return [command, argument];
  }
  throw new AdminUsageError();
}

/** What somebody who may log in to the server's machine can do without a credential; audited under the account's name. */
@Injectable()
export class AdminCommands {
  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly users: UsersService,
    private readonly mailboxes: MailboxesService,
    private readonly apiKeys: ApiKeysService,
  ) {}

  /** @returns what to print. @throws StartError with one sentence. */
  async run([command, argument]: AdminCommand): Promise<string> {
    if ((await readSetting(this.db.manager, 'first_run_at')) === null)
      throw new StartError('This Gatehouse was never started; npm start sets it up.');
    switch (command) {
      case 'root-key list':
        return this.list();
      case 'root-key create':
        return this.create(argument ?? 'admin command');
      case 'root-key revoke':
        return this.revoke(argument);
      case 'reset-password':
        return this.resetPassword(argument);
      case 'verify-user':
        return this.verify(argument);
    }
  }

  private async verify(email: string): Promise<string> {
    await found(`There is no user ${email}.`, () => this.mailboxes.confirm(this.principal(), { email }));
    return `${email} is verified.\n`;
  }

  private async resetPassword(email: string): Promise<string> {
    const password = base32(randomBytes(15));
    await found(`There is no user ${email}.`, () => this.users.resetPassword(this.principal(), email, password));
    return `The new password of ${email} is ${password}\n`;
  }

  private async create(name: string): Promise<string> {
    const key = await this.db.tx((tx) => this.apiKeys.createRootKey(tx, this.principal(), { name }));
    return `The new root API key is ${key.apiKeyId}.${key.apiKey}\n`;
  }

  private async list(): Promise<string> {
    const keys = await this.apiKeys.listRootKeys(this.db.manager);
    return keys
      .map((key) => `${key.apiKeyId}  …${key.lastChars}  ${key.createdAt.toISOString()}  ${key.name}\n`)
      .join('');
  }

  private async revoke(id: string): Promise<string> {
    await found(`There is no root API key ${id}.`, () =>
      this.db.tx((tx) => this.apiKeys.revokeRootKey(tx, this.principal(), id)),
    );
    const back =
      this.config.installation.rootApiKey?.id === id
        ? ' ROOT_API_KEY still names it and brings it back at the next start: change that too.'
        : '';
    return `The root API key ${id} is revoked.${back}\n`;
  }

  private principal(): Principal {
    return systemPrincipal(`admin command of ${accountName()}`);
  }
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.()}`;
  }
}

async function found<T>(otherwise: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof AppError && error.code === 'not_found' ? new StartError(otherwise) : error;
  }
}

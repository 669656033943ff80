import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppError, base32, Config, Db, type Principal, systemPrincipal } from '#platform';
import { ApiKeysService, MailboxesService, PasswordResetsService, UsersService } from '../access/index.js';
import { Epoch, SigningKeys } from '../instances/index.js';
import { MasterKeyRotation } from './master-key-rotation.js';
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
  | ['root-key list' | 'new-epoch' | 'rotate-master-key', undefined]
  | ['root-key create', string | undefined]
  | ['root-key revoke' | 'reset-password' | 'reset-link' | 'verify-user', string]
  | ['export-next-key' | 'rotate-signing-key', { orgId: string; keyFile: string | undefined }];

/** Looks at nothing but the arguments: a mistyped command reaches no database, which it would migrate. @throws AdminUsageError */
export function adminCommandOf(args: string[]): ['check', undefined] | AdminCommand {
  const words = args[0] === 'root-key' ? 2 : 1;
  const command = args.slice(0, words).join(' ');
  const [argument, ...rest] = args.slice(words);
  if ((command === 'export-next-key' || command === 'rotate-signing-key') && argument !== undefined) {
    const [flag, keyFile, ...more] = rest;
    if (flag === undefined || (flag === '--key-file' && keyFile !== undefined && more.length === 0))
      return [command, { orgId: argument, keyFile }];
  }
  if (rest.length === 0) {
    if (
      (command === 'check' ||
        command === 'root-key list' ||
        command === 'new-epoch' ||
        command === 'rotate-master-key') &&
      argument === undefined
    )
      return [command, argument];
    if (command === 'root-key create') return [command, argument];
    if (
      (command === 'root-key revoke' ||
        command === 'reset-password' ||
        command === 'reset-link' ||
        command === 'verify-user') &&
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
    private readonly passwordResets: PasswordResetsService,
    private readonly apiKeys: ApiKeysService,
    private readonly signingKeys: SigningKeys,
    private readonly epoch: Epoch,
    private readonly masterKeyRotation: MasterKeyRotation,
  ) {}

  /**
   * @param print for what must be written down before the command is done
   * @returns what to print. @throws StartError with one sentence.
   */
  async run([command, argument]: AdminCommand, print: (text: string) => Promise<void>): Promise<string> {
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
      case 'reset-link':
        return this.resetLink(argument);
      case 'verify-user':
        return this.verify(argument);
      case 'new-epoch':
        return `The epoch is ${await this.epoch.raise(this.principal())}: what machines are offered is newer than all that they had.\n`;
      case 'rotate-master-key':
        return this.masterKeyRotation.run(print);
      case 'export-next-key':
        return this.exportNextKey(argument.orgId, argument.keyFile, print);
      case 'rotate-signing-key':
        return this.rotateSigningKey(argument.orgId, argument.keyFile);
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

  private async resetLink(email: string): Promise<string> {
    const { link, expiresAt } = await found(`There is no user ${email}.`, () =>
      this.passwordResets.makeLink(this.principal(), email),
    );
    return `Until ${expiresAt.toISOString()}, once, ${email} chooses a new password at ${link}\n`;
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

  private async exportNextKey(
    orgId: string,
    keyFile: string | undefined,
    print: (text: string) => Promise<void>,
  ): Promise<string> {
    const keep = (pem: string) => {
      const text = `${pem.trimEnd()}\n`;
      return keyFile === undefined ? print(text) : writeNewFile(keyFile, text);
    };
    await explained(orgId, () => this.signingKeys.exportNext(this.principal(), orgId, keep));
    return keyFile === undefined
      ? ''
      : `The next signing key of ${orgId} is in ${keyFile} and nowhere else: without it no key can follow the present one.\n`;
  }

  private async rotateSigningKey(orgId: string, keyFile: string | undefined): Promise<string> {
    let pem: string | undefined;
    try {
      if (keyFile !== undefined) pem = readFileSync(keyFile, 'utf8');
    } catch (error) {
      throw new StartError(`The key cannot be read: ${(error as Error).message}`);
    }
    const { current, trustFingerprint } = await explained(orgId, () =>
      this.signingKeys.rotate(this.principal(), orgId, pem),
    );
    return `${current} signs for ${orgId} now. Machines are to trust ${trustFingerprint}\n`;
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

/** A file that was not there, through to the disk, and its name with it: nobody else will have what is in it. */
async function writeNewFile(file: string, text: string): Promise<void> {
  let handle: number;
  try {
    handle = openSync(file, 'wx', 0o600);
  } catch (error) {
    throw new StartError(`The key cannot be written: ${(error as Error).message}`);
  }
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  if (process.platform === 'win32') return; // a directory cannot be opened there
  const directory = openSync(dirname(file), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

async function explained<T>(orgId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await found(`There is no organization ${orgId}.`, work);
  } catch (error) {
    throw error instanceof AppError ? new StartError(`${error.message}.`) : error;
  }
}

async function found<T>(otherwise: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof AppError && error.code === 'not_found' ? new StartError(otherwise) : error;
  }
}

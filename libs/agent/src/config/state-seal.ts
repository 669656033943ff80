import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { misconfigured } from '../cli/exit-codes.js';
import type { SettingValue } from './settings.js';

/** Name of the key among systemd's credentials. */
const CREDENTIAL = 'gatehouse-state-key';
const MIN_BYTES = 32;
const HEADER = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM' })).toString('base64url');

/** What a machine's credential and bundle key are sealed with at rest: a JWE (RFC 7516) with `dir` and `A256GCM`. */
export class StateSeal {
  private readonly key: Buffer;

  /**
   * @param file where the key was read
   * @throws AgentExit 78 for one that is too short to be one
   */
  constructor(
    bytes: Buffer,
    private readonly file: string,
  ) {
    const text = bytes.toString('latin1').replace(/[\r\n]+$/, '');
    if (text.length < MIN_BYTES)
      throw misconfigured(
        `the state key in ${file} is too short: make one of at least ${MIN_BYTES} bytes, as with: openssl rand -base64 32`,
      );
    this.key = Buffer.from(hkdfSync('sha256', Buffer.from(text, 'latin1'), '', 'gatehouse agent state', 32));
  }

  seal(content: Record<string, unknown>): string {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.key, iv);
    cipher.setAAD(Buffer.from(HEADER));
    const sealed = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final()]);
    return [HEADER, '', base64url(iv), base64url(sealed), base64url(cipher.getAuthTag())].join('.');
  }

  /** @throws AgentExit 78 when it was sealed with another key, or changed */
  open(sealed: string, path: string): Record<string, unknown> {
    const [header, encryptedKey, iv = '', content = '', tag = ''] = sealed.split('.');
    try {
      if (header !== HEADER || encryptedKey !== '') throw new Error('another form');
      const decipher = createDecipheriv('aes-256-gcm', this.key, Buffer.from(iv, 'base64url'), { authTagLength: 16 });
      decipher.setAAD(Buffer.from(HEADER));
      decipher.setAuthTag(Buffer.from(tag, 'base64url'));
      const text = Buffer.concat([decipher.update(Buffer.from(content, 'base64url')), decipher.final()]);
      return JSON.parse(text.toString('utf8')) as Record<string, unknown>;
    } catch {
      throw misconfigured(
        `what is sealed in ${path} does not open with the state key in ${this.file}: it is another key`,
      );
    }
  }
}

/**
 * The seal of this machine's state: that of `--state-key-file`, then GATEHOUSE_STATE_KEY_FILE, then systemd's credential.
 * @returns undefined when state is kept in clear
 * @throws AgentExit 78 for a key that cannot be read
 */
export function stateSeal(cli: ReadonlyMap<string, SettingValue>, env: NodeJS.ProcessEnv): StateSeal | undefined {
  const given = cli.get('stateKeyFile') || env['GATEHOUSE_STATE_KEY_FILE'];
  const folder = env['CREDENTIALS_DIRECTORY'];
  const credential = folder ? join(folder, CREDENTIAL) : undefined;
  const file =
    typeof given === 'string' && given !== '' ? given : credential && existsSync(credential) ? credential : '';
  if (file === '') return undefined;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw misconfigured(`the state key ${file} cannot be read: ${(error as Error).message}`);
  }
  return new StateSeal(bytes, file);
}

function base64url(bytes: Buffer): string {
  return bytes.toString('base64url');
}

import { hkdfSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compactDecrypt } from 'jose';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { StateSeal, stateSeal } from './state-seal.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-seal-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const KEY = 'a key of thirty-two bytes or more';
const seal = (text = KEY) => new StateSeal(Buffer.from(text), 'key');

it('seals as a JWE that any library of JOSE opens', async () => {
  const token = seal().seal({ secret: 'hush' });
  expect(token).not.toContain('hush');
  const key = new Uint8Array(hkdfSync('sha256', KEY, '', 'gatehouse agent state', 32));
  const { plaintext, protectedHeader } = await compactDecrypt(token, key);
  expect(protectedHeader).toEqual({ alg: 'dir', enc: 'A256GCM' });
  expect(JSON.parse(Buffer.from(plaintext).toString())).toEqual({ secret: 'hush' });
});

it('opens what it sealed, whatever ends the line of the key file', () => {
  expect(seal(`${KEY}\r\n`).open(seal().seal({ a: 1 }), 'f')).toEqual({ a: 1 });
});

it('says so when the key is another, or the state was changed', () => {
  const token = seal().seal({ a: 1 });
  for (const changed of [token.slice(0, -4), `${token}x.`, 'nothing', token.replace(/^./, 'f')])
    expect(() => seal().open(changed, 'f')).toThrow(expect.objectContaining({ code: 78 }));
  expect(() => seal(`${KEY}!`).open(token, 'config.json')).toThrow(/in config\.json does not open.*another key/);
});

it('takes the key of the flag, then the variable, then the credential of systemd', () => {
  const write = (name: string, text: string) => (writeFileSync(join(folder, name), text), join(folder, name));
  const [flag, variable] = [write('flag', `${KEY}1`), write('variable', `${KEY}2`)];
  write('gatehouse-state-key', `${KEY}3`);
  const found = (cli: Record<string, string>, env: NodeJS.ProcessEnv) => {
    const one = stateSeal(new Map(Object.entries(cli)), env);
    return [1, 2, 3].find((n) => {
      try {
        return one?.open(seal(`${KEY}${n}`).seal({}), 'f') !== undefined;
      } catch {
        return false;
      }
    });
  };
  const env = { GATEHOUSE_STATE_KEY_FILE: variable, CREDENTIALS_DIRECTORY: folder };
  expect(found({ stateKeyFile: flag }, env)).toBe(1);
  expect(found({}, env)).toBe(2);
  expect(found({}, { CREDENTIALS_DIRECTORY: folder })).toBe(3);
  expect(found({}, { CREDENTIALS_DIRECTORY: tmpdir() })).toBeUndefined();
});

it('refuses a key that cannot be read, or is none', () => {
  expect(() => stateSeal(new Map([['stateKeyFile', join(folder, 'gone')]]), {})).toThrow(/cannot be read/);
  expect(() => seal('short')).toThrow(/too short.*openssl rand/);
});

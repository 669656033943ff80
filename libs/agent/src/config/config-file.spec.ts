import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Log } from '../log.js';
import { configFilePath, readConfigFile, updateConfigFile } from './config-file.js';

let root: string;
let path: string;
let lines: string[];
let log: Log;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-cfg-'));
  path = join(root, 'state', 'config.json');
  lines = [];
  log = new Log((line) => lines.push(line));
});
afterEach(() => rmSync(root, { recursive: true }));

const mode = (file: string) => (statSync(file).mode & 0o777).toString(8);
function put(content: string, permissions = 0o600): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, permissions);
}

describe('the config file', () => {
  it("is found by flag, CONFIG_FILE, then newt's place", () => {
    expect(configFilePath('a', { CONFIG_FILE: 'b', HOME: '/h' }, 'linux')).toBe('a');
    expect(configFilePath(undefined, { CONFIG_FILE: 'b', HOME: '/h' }, 'linux')).toBe('b');
    expect(configFilePath(undefined, { HOME: '/h' }, 'linux')).toBe('/h/.config/newt-client/config.json');
    expect(configFilePath(undefined, { HOME: '/h' }, 'darwin')).toBe(
      '/h/Library/Application Support/newt-client/config.json',
    );
  });

  it('is written 0600 in a directory 0700, sorted, and keeps what it does not know', () => {
    updateConfigFile(path, { id: 'n', secret: 's' }, log);
    put(readFileSync(path, 'utf8').replace('{', '{"zz":{"kept":[1]},"name":"x",'));
    updateConfigFile(path, { endpoint: 'e', name: undefined }, log);
    expect(readFileSync(path, 'utf8')).toBe(
      '{\n  "endpoint": "e",\n  "id": "n",\n  "secret": "s",\n  "zz": {\n    "kept": [\n      1\n    ]\n  }\n}',
    );
    expect(mode(path)).toBe('600');
    rmSync(join(root, 'state'), { recursive: true });
    updateConfigFile(path, {}, log);
    expect(mode(join(root, 'state'))).toBe('700');
  });

  it('is tightened with a warning when others may read it', () => {
    put('{"id":"n"}', 0o644);
    expect(readConfigFile(path, log)).toEqual({ id: 'n' });
    expect(mode(path)).toBe('600');
    expect(lines.join()).toMatch(/WARN.*0644/);
    readConfigFile(path, log);
    expect(lines).toHaveLength(1);
  });

  it('is left alone when it is a directory', () => {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o755);
    expect(() => readConfigFile(path, log)).toThrow(/cannot be read/);
    expect(mode(path)).toBe('755');
  });

  it.each(['', '  \n'])('may be %j', (content) => {
    put(content);
    expect(readConfigFile(path, log)).toEqual({});
  });

  it.each(['{', '[]', 'null', '{"id":7}', '{"noWait":"true"}', '{"tlsClientCa":"a"}'])('must not be %j', (content) => {
    put(content);
    expect(() => readConfigFile(path, log)).toThrow(expect.objectContaining({ code: 78 }));
  });

  it('does not quote a broken file, which may hold a secret', () => {
    put('{"secret":"hunter22"');
    expect(() => readConfigFile(path, log)).toThrow(/^(?!.*hunter22).*not valid JSON/);
  });

  it('leaves no temp file, removes what a crash left, and follows a link', () => {
    put('{}');
    writeFileSync(join(root, 'state', '.config.json.4194304.tmp'), 'secret');
    const link = join(root, 'link.json');
    symlinkSync(path, link);
    updateConfigFile(link, { id: 'n' }, log);
    expect(readConfigFile(path, log)).toEqual({ id: 'n' });
    expect(readdirSync(join(root, 'state'))).toEqual(['config.json']);
  });

  it('that cannot be written ends with 73', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => updateConfigFile(join(root, 'file', 'config.json'), {}, log)).toThrow(
      expect.objectContaining({ code: 73 }),
    );
  });
});

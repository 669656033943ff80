import {
  chmodSync,
  lstatSync,
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

import {
  configFilePath,
  isEmptied,
  readConfigFile,
  readShown,
  readState,
  sealState,
  updateConfigFile,
} from './config-file.js';
import { StateSeal } from './state-seal.js';

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

  it.each([
    ['UTF-8 with a mark', Buffer.from('\uFEFF{"id":"né"}')],
    ['UTF-16 with a mark', Buffer.from('\uFEFF{"id":"né"}', 'utf16le')],
    ['UTF-16, the other order', Buffer.from('\uFEFF{"id":"né"}', 'utf16le').swap16()],
    ['UTF-16 without a mark', Buffer.from('{"id":"né"}', 'utf16le')],
    ['UTF-16 without a mark, the other order', Buffer.from('{"id":"né"}', 'utf16le').swap16()],
  ])('may be %s', (_what, bytes) => {
    put('');
    writeFileSync(path, bytes);
    expect(readConfigFile(path, log)).toEqual({ id: 'né' });
    updateConfigFile(path, { secret: 's' }, log);
    expect(readFileSync(path, 'utf8')).toBe('{\n  "id": "né",\n  "secret": "s"\n}');
  });

  it('says what other bytes are not', () => {
    put('');
    writeFileSync(path, Buffer.from('{"id":"n\xe9"}', 'latin1'));
    expect(() => readConfigFile(path, log)).toThrow(/neither UTF-8 nor UTF-16/);
  });

  it('tells what is wrong with line and column', () => {
    put('{\n  "endpoint": "https://host",\n  "secret": "hunter22",\n}\n');
    expect(() => readConfigFile(path, log)).toThrow(
      `the config file ${path} is not valid JSON: line 3, column 23: a comma before the end of the object, which JSON does not allow`,
    );
  });

  it.each([
    ['', true],
    ['\0'.repeat(300), true],
    [' \n', true],
    ['{}', false],
  ])('of %j: emptied is %s', (content, emptied) => {
    expect(isEmptied(path)).toBe(false);
    put(content);
    expect(isEmptied(path)).toBe(emptied);
    expect(readConfigFile(path, log)).toEqual({});
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

  it.each([
    ['a link', 'etc/agent.json', 'data/agent.json'],
    ['a link to a link', 'etc/agent.json', 'etc/other.json'],
    ['a folder that is a link', 'etc/folder/agent.json', 'data/agent.json'],
  ])('is made where %s leads, and the link stays', (what, from, first) => {
    mkdirSync(join(root, 'etc'));
    const target = join(root, 'data/agent.json');
    const link = what.startsWith('a folder') ? join(root, 'etc/folder') : join(root, from);
    symlinkSync(what.startsWith('a folder') ? join(root, 'data') : join('..', first), link);
    if (first !== 'data/agent.json') symlinkSync('../data/agent.json', join(root, first));
    expect(readConfigFile(join(root, from), log)).toEqual({});
    updateConfigFile(join(root, from), { id: 'n' }, log);
    updateConfigFile(join(root, from), { secret: 's' }, log);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(lstatSync(target).isFile()).toBe(true);
    expect(mode(target)).toBe('600');
    expect(mode(dirname(target))).toBe('700');
    expect(readConfigFile(join(root, from), log)).toEqual({ id: 'n', secret: 's' });
    expect(readdirSync(join(root, 'data'))).toEqual(['agent.json']);
  });

  it('whose links go in a circle cannot be read', () => {
    symlinkSync('b.json', join(root, 'a.json'));
    symlinkSync('a.json', join(root, 'b.json'));
    expect(() => readConfigFile(join(root, 'a.json'), log)).toThrow(expect.objectContaining({ code: 78 }));
    expect(() => updateConfigFile(join(root, 'a.json'), {}, log)).toThrow(expect.objectContaining({ code: 78 }));
  });

  it('that cannot be written ends with 73', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => updateConfigFile(join(root, 'file', 'config.json'), {}, log)).toThrow(
      expect.objectContaining({ code: 73 }),
    );
  });
});

describe('a sealed state', () => {
  const seal = new StateSeal(Buffer.alloc(32, 'k'), 'key');
  const read = () => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

  it('hides the credential and the bundle key, and shows the rest', () => {
    updateConfigFile(path, { id: 'i1', secret: 's-hush', bundleKey: { d: 'd-hush' }, endpoint: 'http://a' }, log, seal);
    expect(readFileSync(path, 'utf8')).not.toContain('hush');
    expect(read()).toEqual({ id: 'i1', endpoint: 'http://a', sealed: expect.any(String) as string });
    expect(readState(path, log, seal)).toMatchObject({ id: 'i1', secret: 's-hush', bundleKey: { d: 'd-hush' } });
    updateConfigFile(path, { secret: undefined, bundleKey: undefined }, log, seal);
    expect(read()).toEqual({ id: 'i1', endpoint: 'http://a' });
  });

  it('is asked for its key, and only shown without one', () => {
    updateConfigFile(path, { id: 'i1', secret: 's-hush' }, log, seal);
    expect(() => readState(path, log, undefined)).toThrow(/is sealed: give its key with --state-key-file/);
    expect(() => updateConfigFile(path, { name: 'x' }, log)).toThrow(expect.objectContaining({ code: 78 }));
    expect(readShown(path, log)).toMatchObject({ id: 'i1', secret: '(sealed)' });
  });

  it('takes over what was in clear', () => {
    updateConfigFile(path, { id: 'i1', secret: 's-hush' }, log);
    sealState(path, log, undefined);
    expect(read()).toMatchObject({ secret: 's-hush' });
    sealState(path, log, seal);
    expect(readFileSync(path, 'utf8')).not.toContain('hush');
    expect(readState(path, log, seal)).toEqual({ id: 'i1', secret: 's-hush' });
  });
});

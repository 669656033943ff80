import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundle as bundled } from '../../../../test/support/bundled.js';
import { Log } from '../log.js';
import { BundleFolder, type BundleFolderOptions, type BundleToWrite } from './bundle-folder.js';

const isRoot = process.geteuid?.() === 0;
let root: string;
let log: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-folder-'));
  chmodSync(root, 0o755);
  log = [];
});
afterEach(() => rmSync(root, { recursive: true }));

function open(options: Partial<BundleFolderOptions> = {}): BundleFolder {
  return BundleFolder.open({
    dir: join(root, 'bundles'),
    env: {},
    configFile: join(root, 'state/config.json'),
    log: new Log((line) => log.push(line)),
    ...options,
  });
}

function bundle(version: number, change: Partial<BundleToWrite> = {}): BundleToWrite {
  const files = [
    { path: 'config/app.yaml', mode: '0400', content: `version: ${version}\n` },
    { path: 'run.sh', mode: '0700', content: '#!/bin/sh\n' },
  ];
  return { version, files, config: { version }, dependencies: [], ...change };
}
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const failing = (code: number, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('a version', () => {
  it('has its files, each with its mode, its configuration and its dependencies', async () => {
    const folder = open();
    const copyTo = async (target: string) => writeFileSync(target, 'model');
    const path = await folder.write(
      bundle(7, { dependencies: [{ path: 'models/a/model.bin', mode: '0440', copyTo }] }),
    );
    expect(path).toBe(join(root, 'bundles/7'));
    expect(existsSync(folder.current)).toBe(false);
    folder.switchTo(path);
    const at = (name: string) => join(folder.current, name);
    expect(readFileSync(at('config/app.yaml'), 'utf8')).toBe('version: 7\n');
    expect(readFileSync(at('models/a/model.bin'), 'utf8')).toBe('model');
    expect(JSON.parse(readFileSync(folder.config, 'utf8'))).toEqual({ version: 7 });
    const modes = [
      '',
      'config',
      'config/app.yaml',
      'run.sh',
      'models/a',
      'models/a/model.bin',
      'gatehouse-config.json',
    ];
    expect(modes.map((name) => modeOf(at(name)))).toEqual(['700', '700', '400', '700', '700', '440', '400']);
    expect(modeOf(join(root, 'bundles'))).toBe('700');
  });

  it.each([
    [
      'a file',
      {
        files: [
          { path: 'a', mode: '0400', content: '' },
          { path: 'a/b', mode: '0400', content: '' },
        ],
      },
    ],
    [
      'a dependency',
      { dependencies: [{ path: 'x', mode: '0400', copyTo: () => Promise.reject(new Error('damaged')) }] },
    ],
    ['two of one name', { files: [{ path: 'gatehouse-config.json', mode: '0400', content: '' }] }],
    ['a path that leaves the folder', { files: [{ path: '../x', mode: '0400', content: '' }] }],
  ])('of which %s cannot be written leaves nothing', async (_what, change) => {
    const folder = open();
    folder.switchTo(await folder.write(bundle(1)));
    await expect(folder.write(bundle(2, change))).rejects.toThrow(/./);
    expect(readdirSync(folder.path).sort()).toEqual(['1', 'current']);
    expect(readlinkSync(folder.current)).toBe('1');
    expect(existsSync(join(root, 'x'))).toBe(false);
  });

  it('written again never changes what current points at', async () => {
    const folder = open();
    folder.switchTo(await folder.write(bundle(1)));
    const before = statSync(folder.config);
    const again = await open().write(bundle(1));
    expect(again).toBe(join(folder.path, '1.1'));
    expect(statSync(folder.config).ino).toBe(before.ino);
    folder.switchTo(again);
    folder.keepOnly([again]);
    expect(readdirSync(folder.path).sort()).toEqual(['1.1', 'current']);
    expect(await folder.write(bundle(1))).toBe(join(folder.path, '1'));
  });

  it('left half-written by an agent that was killed is removed by the next', async () => {
    open();
    mkdirSync(join(root, 'bundles/.5.tmp/config'), { recursive: true });
    symlinkSync('nowhere', join(root, 'bundles/.current.tmp'));
    open();
    expect(readdirSync(join(root, 'bundles'))).toEqual([]);
  });

  it('goes when it is not kept, and all go with current at the end', async () => {
    const folder = open();
    const paths = [await folder.write(bundle(1)), await folder.write(bundle(2)), await folder.write(bundle(3))];
    folder.switchTo(paths[2]!);
    writeFileSync(join(folder.path, 'of somebody else'), '');
    folder.keepOnly(paths.slice(1));
    expect(readdirSync(folder.path).sort()).toEqual(['2', '3', 'current', 'of somebody else']);
    folder.clear();
    expect(readdirSync(folder.path)).toEqual(['of somebody else']);
  });
});

/** A program that does this with a folder and is killed before its n-th change of the disk; it runs through when there are fewer. */
function killedAt(n: number, program: string): boolean {
  const preload = new URL('../../../../test/support/kill-at-write.mjs', import.meta.url).href;
  const env = { KILL_AT_WRITE: `${n}`, KILL_BELOW: root, ROOT: root, PATH: process.env['PATH'] };
  const { signal, status, stderr } = spawnSync(process.execPath, ['--import', preload, program], {
    env,
    encoding: 'utf8',
  });
  expect([status, signal], stderr).toEqual(signal ? [null, 'SIGKILL'] : [0, null]);
  return signal !== null;
}

describe('a change', () => {
  it('of which any step is the last leaves current at the old or the new version, whole, and the next agent goes on', async () => {
    const program = join(root, 'program.mjs');
    const contents = `
      import { BundleFolder } from './libs/agent/src/instance/bundle-folder.js';
      const log = { warn() {}, error() {} };
      const folder = BundleFolder.open({ dir: process.env.ROOT + '/bundles', env: {}, configFile: '/x', log });
      const files = [{ path: 'a/b', mode: '0400', content: 'x' }];
      const path = await folder.write({ version: 2, files, config: { version: 2 }, dependencies: [] });
      folder.switchTo(path);
      folder.keepOnly([path]);`;
    bundled(contents, program);
    const versions: number[] = [];
    for (let at = 1, killed = true; killed; at++) {
      const before = open();
      before.switchTo(await before.write(bundle(1)));
      before.keepOnly([readlinkSync(before.current)]);
      killed = killedAt(at, program);
      const { version } = JSON.parse(readFileSync(before.config, 'utf8')) as { version: number };
      expect(readFileSync(join(before.current, version === 1 ? 'config/app.yaml' : 'a/b'), 'utf8')).not.toBe('');
      versions.push(version);
      killedAt(0, program);
      expect(readdirSync(before.path).sort()).toEqual([readlinkSync(before.current), 'current']);
      expect(JSON.parse(readFileSync(before.config, 'utf8'))).toEqual({ version: 2 });
    }
    expect(versions).toEqual([...versions].sort());
    expect(versions.length).toBeGreaterThan(10);
    expect(new Set(versions)).toEqual(new Set([1, 2]));
  });
});

describe('the folder', () => {
  it('goes at the end where it was chosen, unless it holds something else; one that was named stays', async () => {
    for (const dir of ['', join(root, 'bundles')]) {
      const folder = open({ dir, inMemory: [] });
      folder.switchTo(await folder.write(bundle(1)));
      writeFileSync(folder.readyFile('ready'), '');
      folder.clear();
      expect(existsSync(folder.path)).toBe(dir !== '');
      expect(await folder.write(bundle(1))).toBe(join(folder.path, '1'));
      writeFileSync(join(folder.path, 'of somebody else'), '');
      folder.clear();
      expect(readdirSync(folder.path)).toEqual(['of somebody else']);
    }
  });

  const inMemory = statfsSync('/dev/shm', { bigint: false }).type === 0x01021994;

  it("is the unit's runtime directory, then one in memory by the state file's path, then one beside the state", () => {
    const configFile = join(root, 'state/config.json');
    expect(open({ dir: '', env: { RUNTIME_DIRECTORY: `${root}/run:/other` } }).path).toBe(join(root, 'run/bundle'));
    expect(open({ dir: '', inMemory: [] }).path).toBe(join(root, 'state/bundle'));
    expect(log.at(-1)).toContain('which is on disk');
    if (!inMemory) return;
    log = [];
    const first = open({ dir: '', configFile, inMemory: [root, '/dev/shm'] });
    const other = open({ dir: '', configFile: join(root, 'state/other.json'), inMemory: ['/dev/shm'] });
    try {
      expect(first.path).toMatch(/^\/dev\/shm\/gatehouse-[0-9a-f]{12}$/);
      expect(other.path).not.toBe(first.path);
      expect(log).toEqual([]);
      expect(modeOf(first.path)).toBe('700');
      // One that somebody else has made there is passed over.
      chmodSync(first.path, 0o777);
      expect(open({ dir: '', configFile, inMemory: ['/dev/shm'] }).path).toBe(join(root, 'state/bundle'));
    } finally {
      rmSync(first.path, { recursive: true });
      rmSync(other.path, { recursive: true });
    }
  });

  it('that is a link, a file, of somebody else, or open to others is refused', () => {
    const dir = join(root, 'given');
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync('elsewhere', dir);
    expect(() => open({ dir })).toThrow(failing(78, /is no folder/));
    rmSync(dir);
    writeFileSync(dir, '');
    expect(() => open({ dir })).toThrow(failing(78, /is no folder/));
    rmSync(dir);
    mkdirSync(dir);
    chmodSync(dir, 0o770);
    expect(() => open({ dir })).toThrow(failing(78, /others may write to it/));
    chmodSync(dir, 0o755);
    if (isRoot) {
      chownSync(dir, 65534, 65534);
      expect(() => open({ dir })).toThrow(failing(78, /belongs to user 65534/));
    }
    rmSync(dir, { recursive: true });
    expect(readdirSync(join(root, 'elsewhere'))).toEqual([]);
  });

  it('that somebody named keeps its mode', () => {
    mkdirSync(join(root, 'given'));
    chmodSync(join(root, 'given'), 0o755);
    open({ dir: join(root, 'given') });
    expect(modeOf(join(root, 'given'))).toBe('755');
  });

  it('that cannot be made is 73', () => {
    writeFileSync(join(root, 'file'), '');
    expect(() => open({ dir: join(root, 'file/bundles') })).toThrow(failing(73, /cannot be written: ENOTDIR/));
  });

  it.runIf(isRoot)("for another user is theirs to read, and the agent's to change", async () => {
    const user = { name: 'app', uid: 65534, gid: 65534, groups: [65534], home: '/' };
    const folder = open({ user });
    folder.switchTo(await folder.write(bundle(1)));
    const owner = (path: string) => {
      const { uid, gid } = statSync(path);
      return { uid, gid, mode: modeOf(path) };
    };
    expect(owner(folder.path)).toEqual({ uid: 0, gid: 65534, mode: '750' });
    expect(owner(join(folder.current, 'config'))).toEqual({ uid: 0, gid: 65534, mode: '750' });
    expect(owner(join(folder.current, 'config/app.yaml'))).toEqual({ uid: 65534, gid: 65534, mode: '400' });
    expect(owner(join(folder.readyFile('x'), '..'))).toEqual({ uid: 65534, gid: 65534, mode: '700' });
    mkdirSync(join(root, 'closed'), { mode: 0o700 });
    expect(() => open({ user, dir: join(root, 'closed/bundles') })).toThrow(
      failing(78, /user app cannot enter .*\/closed$/),
    );
  });
});

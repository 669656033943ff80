import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launchAs, lookUpUser, userVariables } from './child-user.js';

const isRoot = process.geteuid?.() === 0;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-user-'));
  mkdirSync(join(root, 'etc'));
  const passwd = ['# comment', 'root:x:0:0:root:/root:/bin/sh', 'app:x:4001:4002:App:/srv/app:/bin/false'];
  writeFileSync(join(root, 'etc/passwd'), passwd.join('\n'));
  writeFileSync(join(root, 'etc/group'), 'app:x:4002:\ncerts:x:4003:web,app\nother:x:4004:apple\n');
});
afterEach(() => rmSync(root, { recursive: true }));

const APP = { name: 'app', uid: 4001, gid: 4002, groups: [4002, 4003], home: '/srv/app' };

describe('--user', () => {
  it('is looked up by name or number, with all groups', () => {
    expect(lookUpUser('app', root)).toEqual(APP);
    expect(lookUpUser('4001', root)).toEqual(APP);
  });

  it.each(['nobody-here', '4002', '', 'x', '0:0'])('%j is nobody', (name) => {
    expect(() => lookUpUser(name, root)).toThrow(expect.objectContaining({ code: 78 }));
  });

  it('sets what a program expects to know of its user', () => {
    expect(userVariables(APP)).toEqual({ HOME: '/srv/app', USER: 'app', LOGNAME: 'app' });
    expect(userVariables(undefined)).toEqual({});
  });

  it.runIf(!isRoot)('takes root', () => {
    expect(() => launchAs(APP, process.env)).toThrow(expect.objectContaining({ code: 78, message: /needs root/ }));
  });

  it.runIf(isRoot)(
    'without setpriv is refused for a user with more groups than one, and left to spawn for others',
    () => {
      const env = { PATH: join(root, 'empty') };
      expect(() => launchAs(APP, env)).toThrow(expect.objectContaining({ code: 78 }));
      expect(launchAs({ ...APP, groups: [4002] }, env)).toEqual({ prefix: [], uid: 4001, gid: 4002 });
      expect(launchAs(undefined, env)).toEqual({ prefix: [] });
    },
  );

  it.runIf(isRoot && launchAs(undefined, process.env).prefix.length > 0)(
    'has its user, group and groups, and nothing of root',
    () => {
      const [file, ...prefix] = launchAs(APP, process.env).prefix;
      const { stdout } = spawnSync(
        file!,
        [...prefix, 'sh', '-c', 'id -u; id -g; id -G; grep CapEff /proc/self/status'],
        {
          encoding: 'utf8',
        },
      );
      expect(stdout.split('\n').slice(0, -1)).toEqual(['4001', '4002', '4002 4003', 'CapEff:\t0000000000000000']);
    },
  );
});

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lossWithContainer } from './container.js';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-container-')));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

const OVERLAY = '700 600 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l';
const volume = (name: string, at: string) =>
  `701 700 8:1 /var/lib/docker/volumes/${name}/_data ${at} rw,relatime master:1 - ext4 /dev/sda1 rw`;
function inContainer(...mounts: string[]): void {
  put('.dockerenv', '');
  put('proc/self/mountinfo', `${[OVERLAY, '702 700 0:60 / /proc rw - proc proc rw', ...mounts].join('\n')}\n`);
}

describe('what becomes of the state of a container', () => {
  it('is lost when it is in no volume', () => {
    inContainer(volume('other', '/statement'));
    expect(lossWithContainer(root, '/state/agent.json')).toBe(
      '/state is in no volume: the identity of this site is lost with the container; mount a volume at /state',
    );
  });

  it('is lost in memory', () => {
    inContainer('703 700 0:61 / /state rw - tmpfs tmpfs rw');
    expect(lossWithContainer(root, '/state/agent.json')).toContain('/state is in no volume');
  });

  it('is not found again in a volume without a name', () => {
    inContainer(volume('0f'.repeat(32), '/state'));
    expect(lossWithContainer(root, '/state/agent.json')).toMatch(/\/state is in a volume without a name.*by a name/);
  });

  it('is lost with its pod', () => {
    inContainer(
      '704 700 8:1 /var/lib/kubelet/pods/a1/volumes/kubernetes.io~empty-dir/state /state rw - ext4 /dev/sda1 rw',
    );
    expect(lossWithContainer(root, '/state/agent.json')).toContain('lost with the pod');
  });

  it.each(['/state', '/state/with\\040blank'])('is kept in a volume at %s', (at) => {
    inContainer(volume('agent', at));
    expect(lossWithContainer(root, join(at.replace('\\040', ' '), 'deep', 'agent.json'))).toBeUndefined();
  });

  it('is that of the place to which a link leads', () => {
    const target = join(root, 'volume', 'agent.json');
    mkdirSync(dirname(target));
    symlinkSync(target, join(root, 'link.json'));
    inContainer(volume('agent', join(root, 'volume')));
    expect(lossWithContainer(root, join(root, 'link.json'))).toBeUndefined();
  });

  it('is nothing to speak of outside of containers, or where mounts cannot be read', () => {
    put('proc/self/mountinfo', `${OVERLAY}\n`);
    expect(lossWithContainer(root, '/state/agent.json')).toBeUndefined();
    put('.dockerenv', '');
    put('proc/self/mountinfo', '');
    expect(lossWithContainer(root, '/state/agent.json')).toBeUndefined();
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLocked, type LockAttempt, lockState, type StateLock } from './state-lock.js';

let folder: string;
let path: string;
let taken: StateLock[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-lock-'));
  path = join(folder, 'state', 'config.json');
  taken = [];
});
afterEach(() => {
  for (const lock of taken) lock.release();
  rmSync(folder, { recursive: true });
});

async function attempt(at = path): Promise<LockAttempt> {
  const result = await lockState(at);
  if (result.kind === 'held') taken.push(result);
  return result;
}
async function take(at = path): Promise<StateLock> {
  const result = await attempt(at);
  if (result.kind !== 'held') throw new Error(`the lock is ${result.kind}`);
  return result;
}
const files = () => readdirSync(join(folder, 'state')).sort();

describe('the lock of a state file', () => {
  it('is held by one, until it is released', async () => {
    expect(await isLocked(path)).toBe(false);
    const first = await take();
    expect(await isLocked(path)).toBe(true);
    const second = await attempt();
    if (second.kind !== 'busy') throw new Error('two hold it');
    let ended = false;
    void second.ended.then(() => (ended = true));
    expect(ended).toBe(false);
    first.release();
    await second.ended;
    expect(await isLocked(path)).toBe(false);
    await take();
  });

  it('is said to be impossible where the highest number is taken', async () => {
    (await take()).release();
    writeFileSync(join(folder, 'state', '.config.json.lock.999999999999999'), '');
    expect(await attempt()).toMatchObject({ kind: 'impossible', expected: false });
  });

  it('of many that want it at once is held by one, again and again', async () => {
    for (let round = 0; round < 10; round++) {
      const results = await Promise.all(Array.from({ length: 20 }, () => attempt()));
      expect(results.filter(({ kind }) => kind === 'held')).toHaveLength(1);
      expect(results.filter(({ kind }) => kind === 'busy')).toHaveLength(19);
      for (const result of results) if (result.kind === 'busy') result.leave();
      taken.pop()?.release();
    }
    expect(files()).toHaveLength(1);
  });

  it.runIf(process.platform === 'linux')('stays with one that stands still, however many have asked', async () => {
    mkdirSync(join(folder, 'state'));
    const standsStill = `require('node:net').createServer().listen({ path: '.config.json.lock.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'listening');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    })`;
    const holder = spawn(process.execPath, ['-e', standsStill], { cwd: join(folder, 'state') });
    try {
      await once(holder.stdout, 'data');
      for (let asked = 0; asked < 5; asked++) {
        const result = await attempt();
        if (result.kind !== 'busy') throw new Error(`the lock is ${result.kind}`);
        result.leave();
        await result.ended;
        expect(await isLocked(path)).toBe(true);
      }
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await take();
  });

  it('is left as an empty file, which may be copied, and lower numbers are removed', async () => {
    (await take()).release();
    expect(files()).toEqual(['.config.json.lock.1']);
    expect(statSync(join(folder, 'state', '.config.json.lock.1')).isFile()).toBe(true);
    for (const number of [3, 8]) writeFileSync(join(folder, 'state', `.config.json.lock.${number}`), '');
    await take();
    expect(files()).toEqual(['.config.json.lock.9']);
  });

  it('is one for a link and what it leads to, and another for another file', async () => {
    mkdirSync(join(folder, 'etc'));
    symlinkSync(path, join(folder, 'etc', 'agent.json'));
    await take(join(folder, 'etc', 'agent.json'));
    expect((await attempt()).kind).toBe('busy');
    await take(join(folder, 'state', 'other.json'));
  });

  it('is impossible where nothing can be made', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(await attempt(join(folder, 'file', 'config.json'))).toMatchObject({ kind: 'impossible' });
    expect(await isLocked(join(folder, 'file', 'config.json'))).toBe(false);
  });
});

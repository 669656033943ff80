import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/server.js';
import { runs, Supervised, WAITING } from '../../../../test/support/supervised.js';

let it_: Supervised | undefined;
afterEach(async () => {
  await it_?.remove();
  it_ = undefined;
});
function supervised(script: string, options: { command?: string[] } = {}): Supervised {
  return (it_ = new Supervised(script, options));
}
const TERM_IGNORED = `trap '' TERM; ${WAITING}`;
const ready = { file: 'ready', timeoutSeconds: 0.5 };
/** Ready at once, unless the bundle says `BAD`. */
const READY_UNLESS_BAD = `[ -n "$BAD" ] || : > "$GATEHOUSE_READY_FILE"; ${WAITING}`;

describe('the end of the program', () => {
  it.each([
    ['its exit code', 'exit 42', 42],
    ['128 and the number of its signal', 'kill -KILL $$', 137],
  ])('is answered with %s', async (_what, script, code) => {
    const { supervisor } = supervised(script);
    const outcome = it_!.start(1, { run: { ready: { afterSeconds: 60, timeoutSeconds: 61 } } });
    expect(await supervisor.ended).toBe(code);
    expect(await outcome).toEqual({ state: 'failed', reason: `it ended with code ${code} before it was ready` });
  });

  it('is 127 for a program that is not there, 126 for one that cannot be executed', async () => {
    const missing = supervised('', { command: ['/no/such/program'] });
    void missing.start();
    expect(await missing.supervisor.ended).toBe(127);
    await missing.remove();
    const plain = supervised('', { command: [__filename] });
    void plain.start();
    expect(await plain.supervisor.ended).toBe(126);
  });

  it('leaves nobody of its group: what it started gets SIGTERM, and SIGKILL after the grace', async () => {
    const polite = `(trap 'echo told >> "$OUT"; exit' TERM; echo polite >> "$OUT"; while :; do sleep 100 & wait $!; done) & echo $! >> "$OUT"`;
    const stubborn = `(trap '' TERM; echo stubborn >> "$OUT"; while :; do sleep 100; done) & echo $! >> "$OUT"`;
    const script = `${polite}; ${stubborn}; while ! grep -q stubborn "$OUT" || ! grep -q polite "$OUT"; do sleep 0.01; done; exit 3`;
    const { supervisor } = supervised(script);
    await it_!.start(1, { run: { stopGraceSeconds: 3 } });
    expect(await supervisor.ended).toBe(3);
    const pids = it_!
      .said()
      .map(Number)
      .filter((pid) => pid > 0);
    expect(pids).toHaveLength(2);
    expect(pids.filter(runs)).toEqual([]);
    expect(it_!.said()).toContain('told');
  });

  it('is known at once, also while what it left behind has its grace', async () => {
    const one = supervised(
      `(trap '' TERM; echo stubborn >> "$OUT"; while :; do sleep 100; done) & while [ ! -s "$OUT" ]; do sleep 0.01; done`,
    );
    const order: string[] = [];
    const ended = one.supervisor.ended.then(() => order.push('group'));
    const outcome = await one.start(1, {
      run: { ready: { afterSeconds: 60, timeoutSeconds: 61 }, stopGraceSeconds: 1 },
    });
    order.push('program');
    await ended;
    expect(outcome).toEqual({ state: 'failed', reason: 'it ended with code 0 before it was ready' });
    expect(order).toEqual(['program', 'group']);
  });

  it('is answered when the folder of the bundles is gone', async () => {
    const one = supervised(WAITING);
    await one.start();
    await one.until('start 1');
    rmSync(one.bundles.path, { recursive: true });
    expect(await one.supervisor.stop()).toBe(143);
  });

  it('removes the files of the bundle', async () => {
    const one = supervised('exit 0');
    void one.start();
    await one.supervisor.ended;
    expect(one.versions()).toEqual([]);
    expect(existsSync(one.bundles.current)).toBe(false);
  });
});

describe('what the program is started with', () => {
  it("is the inherited environment with the bundle's, and the place of its files", async () => {
    const one = supervised(
      'printf "%s\\n" "$INHERITED $V $GATEHOUSE_BUNDLE" >> "$OUT"; cat "$GATEHOUSE_CONFIG" >> "$OUT"; echo >> "$OUT"',
    );
    void one.start(7, { config: { region: 'eu' } });
    await one.supervisor.ended;
    expect(one.said()[0]).toBe(`yes 7 ${one.bundles.current}`);
    expect(JSON.parse(one.said().slice(1).join(''))).toEqual({ region: 'eu' });
  });

  it('is the one version that is left', async () => {
    const one = supervised(WAITING);
    await one.bundle(1);
    await one.bundle(2);
    await one.start(3);
    expect(one.versions()).toEqual(['3']);
  });
});

describe('signals', () => {
  it('are passed on once, to the program alone', async () => {
    const names = ['HUP', 'USR1', 'USR2', 'WINCH', 'INT', 'QUIT'];
    const traps = names.map((name) => `trap 'echo ${name} >> "$OUT"' ${name}`).join('; ');
    const inGroup = `(trap 'echo group >> "$OUT"' HUP USR1 USR2 WINCH; while :; do sleep 100 & wait $!; done) &`;
    const one = supervised(`${traps}; trap 'echo TERM >> "$OUT"; exit 9' TERM; ${inGroup} ${WAITING}`);
    await one.start();
    await one.until('start 1');
    for (const name of names) {
      expect(one.supervisor.signal(`SIG${name}` as 'SIGHUP')).toBe(true);
      await one.until(name);
    }
    one.supervisor.signal('SIGTERM');
    expect(await one.supervisor.ended).toBe(9);
    expect(one.said()).toEqual(['start 1', ...names, 'TERM']);
  });

  it('are not taken before there is a program', () => {
    expect(supervised(WAITING).supervisor.signal('SIGTERM')).toBe(false);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
    '%s ends a program that ignores it when the grace is over',
    async (signal) => {
      const one = supervised(`trap '' ${signal.slice(3)}; ${WAITING}`);
      await one.start(1, { run: { stopGraceSeconds: 0.3 } });
      await one.until('start 1');
      one.supervisor.signal(signal);
      expect(await one.supervisor.ended).toBe(137);
    },
  );
});

describe('ready', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  it('is an answer 200 to 399 by http, however often it was another before', async () => {
    const answers = [500, 404, 302];
    const asked: (string | undefined)[] = [];
    server = createServer((request, response) => {
      asked.push(request.url);
      response.writeHead(answers[asked.length - 1] ?? 200, { location: '/elsewhere' }).end();
    }).listen(0, '127.0.0.1');
    await until(() => server!.listening);
    const http = `http://127.0.0.1:${(server.address() as AddressInfo).port}/healthz`;
    expect(await supervised(WAITING).start(1, { run: { ready: { http, timeoutSeconds: 60 } } })).toEqual({
      state: 'applied',
    });
    expect(asked).toEqual(['/healthz', '/healthz', '/healthz']);
  });

  it('is not there in time: the program of the first start runs on, and the last answer is told', async () => {
    server = createServer((_, response) => void response.writeHead(503).end()).listen(0, '127.0.0.1');
    await until(() => server!.listening);
    const http = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const outcome = await supervised(WAITING).start(1, { run: { ready: { http, timeoutSeconds: 0.5 } } });
    expect(outcome).toEqual({ state: 'failed', reason: `it is not ready within 0.5 s: ${http} answers 503` });
    expect(it_!.supervisor.isRunning).toBe(true);
  });

  it('is never asked at a link-local address', async () => {
    const http = 'http://169.254.169.254/latest';
    const outcome = await supervised(WAITING).start(1, { run: { ready: { http, timeoutSeconds: 0.3 } } });
    expect(outcome).toEqual({ state: 'failed', reason: expect.stringContaining('169.254.169.254 is an address') });
  });

  it('is a file made or touched since, not one that was there', async () => {
    const one = supervised('sleep 100');
    const file = one.bundles.readyFile('ready');
    writeFileSync(file, '');
    expect(await one.start(1, { run: { ready } })).toMatchObject({ state: 'failed' });
    void one.supervisor.stop('SIGKILL');
    await one.supervisor.ended;
    await one.remove();
    const other = supervised(READY_UNLESS_BAD);
    writeFileSync(other.bundles.readyFile('ready'), '');
    expect(await other.start(1, { run: { ready: { ...ready, timeoutSeconds: 60 } } })).toEqual({ state: 'applied' });
  });
});

describe('a change by restart', () => {
  it('ends the program, switches, and starts it with the new variables; the files before are removed', async () => {
    const one = supervised(`trap 'echo "end $V $(readlink "$GATEHOUSE_BUNDLE")" >> "$OUT"; exit' TERM; ${WAITING}`);
    await one.start();
    await one.until('start 1');
    expect(await one.change(2)).toEqual({ state: 'applied' });
    await one.until('start 2');
    expect(one.said()).toEqual(['start 1', 'end 1 1', 'start 2']);
    expect(readlinkSync(one.bundles.current)).toBe('2');
    expect(one.versions()).toEqual(['2']);
  });

  it.each([
    ['is not ready', { BAD: 'yes' }, 0.5, 'it is not ready within 0.5 s'],
    ['ends', { DIE: '5' }, 60, 'it ended with code 5 before it was ready'],
  ])('that %s is taken back: the program runs with the bundle before', async (_what, env, timeoutSeconds, reason) => {
    const one = supervised(`[ -z "$DIE" ] || exit "$DIE"; ${READY_UNLESS_BAD}`);
    expect(await one.start(1, { run: { ready: { ...ready, timeoutSeconds: 60 } } })).toEqual({ state: 'applied' });
    await one.until('start 1');
    const change = await one.change(2, { run: { ready: { ...ready, timeoutSeconds } }, env });
    expect(change).toEqual({ state: 'failed', reason });
    await until(() => one.said().filter((line) => line === 'start 1').length === 2);
    expect(readlinkSync(one.bundles.current)).toBe('1');
    expect(one.versions()).toEqual(['1']);
    expect(one.supervisor.isRunning).toBe(true);
    // And the next one is applied all the same.
    expect(await one.change(3, { run: { ready: { ...ready, timeoutSeconds: 60 } } })).toEqual({ state: 'applied' });
  });

  it('kills a program that does not end by itself after the grace of its own bundle', async () => {
    const one = supervised(TERM_IGNORED);
    await one.start(1, { run: { stopGraceSeconds: 0.3 } });
    await one.until('start 1');
    expect(await one.change(2, { run: { stopGraceSeconds: 0.2 } })).toEqual({ state: 'applied' });
    await one.until('start 2');
    expect(one.said()).toEqual(['start 1', 'start 2']);
  });

  it('that is stopped half-way is neither applied nor failed, and starts nothing', async () => {
    const one = supervised(
      `trap 'echo asked >> "$OUT"; exit 4' TERM; [ -n "$BAD" ] || : > "$GATEHOUSE_READY_FILE"; ${WAITING}`,
    );
    await one.start(1, { run: { ready: { ...ready, timeoutSeconds: 60 } } });
    await one.until('start 1');
    const change = one.change(2, { run: { ready: { ...ready, timeoutSeconds: 3600 } }, env: { BAD: 'yes' } });
    await one.until('start 2');
    one.supervisor.signal('SIGTERM');
    expect(await change).toEqual({ state: 'stopped' });
    expect(await one.supervisor.ended).toBe(4);
    expect(one.said()).toEqual(['start 1', 'asked', 'start 2', 'asked']);
  });

  it('that is stopped while the program ends, before the new one starts, answers what the old one ended with', async () => {
    const one = supervised(
      `trap 'echo asked >> "$OUT"; while [ ! -e "$OUT.go" ]; do sleep 0.01; done; exit 6' TERM; ${WAITING}`,
    );
    await one.start();
    await one.until('start 1');
    const change = one.change(2);
    await one.until('asked');
    const ended = one.supervisor.stop();
    writeFileSync(`${one.out}.go`, '');
    expect(await change).toEqual({ state: 'stopped' });
    expect(await ended).toBe(6);
    expect(one.said()).not.toContain('start 2');
  });
});

describe('a change by signal', () => {
  const onChange = 'signal:SIGHUP';
  const READING = `trap 'cat "$GATEHOUSE_CONFIG" >> "$OUT"; [ -n "$(grep bad "$GATEHOUSE_CONFIG")" ] || : > "$GATEHOUSE_READY_FILE"' HUP; ${READY_UNLESS_BAD}`;

  it('switches current first, and the program goes on', async () => {
    const one = supervised(READING);
    await one.start(1, { run: { ready: { ...ready, timeoutSeconds: 60 } } });
    await one.until('start 1');
    const change = await one.change(2, { run: { onChange, ready: { ...ready, timeoutSeconds: 60 } } });
    expect(change).toEqual({ state: 'applied' });
    expect(one.said().join('')).toBe('start 1{  "version": 2}');
    expect(one.versions()).toEqual(['2']);
  });

  it('that the program is not ready after is taken back by a start with the bundle before', async () => {
    const one = supervised(READING);
    await one.start(1, { run: { ready: { ...ready, timeoutSeconds: 60 } } });
    await one.until('start 1');
    const change = await one.change(2, { run: { onChange, ready }, config: { bad: true } });
    expect(change).toMatchObject({ state: 'failed', reason: 'it is not ready within 0.5 s' });
    await until(() => one.said().filter((line) => line === 'start 1').length === 2);
    expect(JSON.parse(readFileSync(one.bundles.config, 'utf8'))).toEqual({ version: 1 });
  });

  it('that ends the program is taken back the same way', async () => {
    const one = supervised(WAITING);
    await one.start();
    await one.until('start 1');
    const change = await one.change(2, { run: { onChange, ready: { afterSeconds: 60, timeoutSeconds: 61 } } });
    expect(change).toEqual({ state: 'failed', reason: 'it ended with code 129 before it was ready' });
    await until(() => one.said().length === 2);
    expect(one.said()).toEqual(['start 1', 'start 1']);
  });
});

describe('a change that is held', () => {
  it('touches nothing', async () => {
    const one = supervised(WAITING);
    await one.start();
    expect(await one.change(2, { run: { onChange: 'hold' } })).toEqual({ state: 'held' });
    expect(readlinkSync(one.bundles.current)).toBe('1');
    expect(one.versions()).toEqual(['1']);
  });
});

describe('a revocation', () => {
  it.each([
    ['stop', 'TERM'],
    ['signal:SIGUSR1', 'USR1'],
  ])('%s ends the program', async (onRevoke, name) => {
    const one = supervised(`trap 'echo ${name} >> "$OUT"; exit 0' ${name}; ${WAITING}`);
    await one.start(1, { run: { onRevoke } });
    await one.until('start 1');
    expect(await one.supervisor.revoke()).toBe(true);
    expect(one.said()).toEqual(['start 1', name]);
    expect(one.versions()).toEqual([]);
  });

  it('kills what does not end within the grace, and all of its group', async () => {
    const one = supervised(`trap '' TERM; (trap '' TERM; while :; do sleep 100; done) & echo $! >> "$OUT"; ${WAITING}`);
    await one.start(1, { run: { stopGraceSeconds: 0.3 } });
    await one.until('start 1');
    expect(await one.supervisor.revoke()).toBe(true);
    expect(runs(Number(one.said()[0]))).toBe(false);
  });

  it('ignore leaves the program running', async () => {
    const one = supervised(WAITING);
    await one.start(1, { run: { onRevoke: 'ignore' } });
    expect(await one.supervisor.revoke()).toBe(false);
    expect(one.supervisor.isRunning).toBe(true);
  });
});

it('goes through many changes of every kind and leaves nothing but what runs', async () => {
  const one = supervised(`trap ': > "$GATEHOUSE_READY_FILE"' HUP; [ -z "$DIE" ] || exit 1; ${READY_UNLESS_BAD}`);
  const within = { ...ready, timeoutSeconds: 60 };
  await one.start(1, { run: { ready: within } });
  let applied = 1;
  for (let version = 2; version <= 60; version++) {
    const kind = version % 3;
    const run = { ready: within, onChange: kind === 1 ? 'signal:SIGHUP' : 'restart' };
    const outcome = await one.change(version, { run, env: kind === 2 ? { DIE: 'yes' } : {} });
    expect([version, outcome.state]).toEqual([version, kind === 2 ? 'failed' : 'applied']);
    if (kind !== 2) applied = version;
    expect(readlinkSync(one.bundles.current)).toBe(`${applied}`);
    expect(one.versions()).toEqual([`${applied}`]);
    expect(existsSync(join(one.bundles.current, 'gatehouse-config.json'))).toBe(true);
    if (kind === 2) await until(() => one.supervisor.isRunning);
  }
  void one.supervisor.stop();
  expect(await one.supervisor.ended).toBe(143);
});

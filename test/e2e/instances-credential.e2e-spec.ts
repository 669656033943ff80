import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { objectOf } from '../../libs/agent/src/enrol/responses.js';
import { AgentExit, type ExitCode } from '../../libs/agent/src/index.js';
import { FakeInstances } from '../support/fake-instances.js';
import { type FakeSession, KEY } from '../support/fake-server.js';
import { Machine } from '../support/runner.js';
import { until } from '../support/server.js';

let instances: FakeInstances;
let machine: Machine;
beforeEach(async () => {
  instances = await FakeInstances.start();
  machine = new Machine({ endpoint: instances.url, provisioningKey: KEY });
});
afterEach(async () => {
  await machine.remove();
  await instances.stop();
});

it('a program keeps what it may start with, whatever credential its agent has by now', async () => {
  const next = { newtId: 'rotated', secrets: ['rotated-secret'] };
  let runner = machine.start();
  await instances.acknowledged('applied');
  const session = await instances.server.session();
  const { id } = machine.file();
  // Both are good for the overlap; then the first one is not any more.
  instances.server.sites.push(next);
  const credential = { credential_type: 'newt', expires_at: null, newt_id: 'rotated', secret: 'rotated-secret' };
  session.send('agent/credential', { credential });
  await instances.server.session(2);
  expect(machine.file()).toMatchObject({ id: 'rotated', issued: { site: id } });
  instances.server.sites.splice(0, 1);
  instances.offer({ env: { WHO: ['again'] } });
  await instances.acknowledged('applied');
  runner.signal('SIGTERM');
  await runner.done;

  runner = machine.start();
  await instances.until(() => instances.leases.length > 1 && instances.leases.at(-1)!.prev !== null);
  expect(machine.facts()).toMatchObject({ site: id, applied: instances.version });
  expect(instances.clones).toBe(0);
  runner.signal('SIGTERM');
  await runner.done;
});

it.each(['run', 'bundle pull'] as const)(
  '`%s` ends with 77 when the grace of the credential is over, and claims anew with a key',
  async (command) => {
    const start = async (cli: Record<string, string> = {}) => {
      if (command === 'bundle pull') return machine.pull(cli);
      const runner = machine.start(cli);
      const ended = runner.done.then(({ code, message }) => Promise.reject(new AgentExit(code as ExitCode, message)));
      await Promise.race([ended, until(() => machine.ran.at(-1)?.startsWith('ran'))]);
      ended.catch(() => undefined);
      runner.signal('SIGTERM');
      return runner.done;
    };
    await start();
    const { id, secret } = machine.file();
    const issued = { id, site: id, expiresAt: new Date(machine.clock.now() - 1000).toISOString() };
    writeFileSync(machine.configFile, JSON.stringify({ ...machine.file(), issued }));
    await instances.revoke(true);
    await expect(start({ provisioningKey: '' })).rejects.toMatchObject({
      code: 77,
      message: expect.stringContaining('expired for longer than it can be renewed: give a provisioning key'),
    });
    expect(machine.file()).toMatchObject({ id, secret });

    const { claim } = instances.server.on;
    instances.server.on.claim = (request, granted) => {
      instances.unrevoke();
      return claim!(request, granted);
    };
    await start();
    expect(instances.server.claims).toHaveLength(2);
    expect(new Set(instances.server.claims.map(({ hardwareId }) => hardwareId)).size).toBe(1);
    expect(machine.file()['secret']).not.toBe(secret);

    // A key is no way back for one that is over for another reason.
    await instances.revoke(true);
    await expect(start()).rejects.toMatchObject({ code: 77, message: expect.not.stringContaining('copied') });
    expect(instances.server.claims).toHaveLength(2);
  },
);

describe('the requests of an agent whose credential is replaced without an overlap', () => {
  /** What the server was asked for, and by which credential. */
  let seen: string[];
  const next = { newtId: 'rotated', secrets: ['rotated-secret'] };

  /** An agent whose program runs; from now on its requests are noted. */
  async function running(): Promise<FakeSession> {
    machine.start();
    await instances.acknowledged('applied');
    instances.server.sites.push(next);
    seen = [];
    instances.server.on.token = ({ newtId }, granted) => {
      seen.push(`token ${newtId}`);
      // The first use of the next one ends the one before.
      if (newtId === next.newtId) instances.server.sites.splice(0, instances.server.sites.length, next);
      return granted();
    };
    for (const path of ['bundle', 'bundleAck', 'lease'] as const)
      instances.answers[path] = ({ headers }) => {
        const basic = Buffer.from(headers.authorization?.replace('Basic ', '') ?? '', 'base64').toString();
        seen.push(`${path} ${basic.split(':')[0]}`);
        return undefined;
      };
    return instances.server.session();
  }
  const offer = (session: FakeSession) =>
    session.send('agent/credential', {
      credential: { credential_type: 'newt', expires_at: null, newt_id: 'rotated', secret: 'rotated-secret' },
    });

  it('are answered before the next one is used, and begin with that from then on', async () => {
    const session = await running();
    const { id } = machine.file();
    const ask = instances.answers.bundle!;
    let answer = () => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    instances.answers.bundle = async (request) => {
      await ask(request);
      await held;
      seen.push('answered');
      return undefined;
    };
    instances.offer({ env: { WHO: ['again'] } });
    await until(() => seen.length === 1);
    offer(session);
    await until(() => machine.file()['next'] !== undefined);
    // What the agent does at once is here before its answer to what comes later.
    instances.tell();
    const applied = () => session.of('agent/applied').filter((one) => objectOf(one)['version'] === 2).length;
    await instances.until(() => applied() === 2);
    answer();
    await instances.acknowledged('applied');
    expect(seen.slice(0, 3)).toEqual([`bundle ${String(id)}`, 'answered', 'token rotated']);
    expect(seen.slice(3).filter((what) => !what.endsWith(' rotated'))).toEqual([]);
  });

  it('begin with the next one also where the answer to its first use was lost', async () => {
    const session = await running();
    const { token } = instances.server.on;
    let lost = true;
    instances.server.on.token = (request, granted) => {
      const reply = token!(request, granted);
      return lost ? { ...reply, cut: true } : reply;
    };
    offer(session);
    await until(() => machine.output.includes('the next credential was not taken'));
    lost = false;
    instances.offer({ env: { WHO: ['again'] } });
    await instances.acknowledged('applied');
    expect(seen.filter((what) => !what.endsWith(' rotated'))).toEqual([]);
    expect(machine.file()).toMatchObject({ id: 'rotated' });
  });
});

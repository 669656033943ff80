// A server stops (SIGSTOP) in the middle of a claim, again and again. Another one serves 96 callers meanwhile; there the claim's key is
// disabled, and claims nothing after that answer, neither at the server that lives nor at the one that goes on.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { sleep } from '../load/lib.mjs';
import { Callers } from './callers.mjs';
import { anotherServer, assertAlive, ready, twoServers } from './servers.mjs';

const failpoint = new URL('../support/failpoints/frozen-in-claim.mjs', import.meta.url).href;
const ORG = 'leaks';
const THIEVES = 8;

export const freeze = {
  about: 'a server stopped in the middle of a claim, its key disabled at another',
  times: 10,
  async run(testbed, times) {
    const [steady, idle] = await twoServers(testbed);
    await idle.stop();
    const armed = path.join(testbed.folder, 'armed');
    const doomed = await anotherServer(testbed, steady.databaseUrl, {
      failpoint,
      env: { FAILPOINT_FILE: armed, FAILPOINT_UNBOUNDED: '1' },
    });
    await steady.organization(ORG);
    const callers = await Callers.open(testbed, () => [steady]);
    callers.start();
    let slowest = 0;
    for (let i = 0; i < times; i++) {
      const { siteProvisioningKey: key, siteProvisioningKeyId: keyId } = await steady.api(
        'PUT',
        `/org/${ORG}/site-provisioning-key`,
        { name: `leaked ${i}`, maxBatchSize: null },
      );
      const claimed = async () =>
        (await steady.sql('SELECT count(*)::int AS n FROM site WHERE key_id = $1', [keyId]))[0].n;
      writeFileSync(armed, '');
      const held = claim(doomed, key);
      while (existsSync(armed) || !/ [Tt] /.test(readFileSync(`/proc/${doomed.pid}/stat`, 'utf8'))) await sleep(10);
      const thieves = Array.from({ length: THIEVES }, () => untilRefused(steady, key));

      const asked = performance.now();
      await steady.api('PATCH', `/org/${ORG}/site-provisioning-key/${keyId}`, { status: 'disabled' });
      slowest = Math.max(slowest, performance.now() - asked);
      const before = await claimed();
      doomed.child.kill('SIGCONT');
      const answer = await held;
      if (answer !== 503 && answer !== 403)
        throw new Error(`the claim of the server that stopped was answered ${answer}`);
      await Promise.all([...thieves, untilRefused(doomed, key)]);
      const after = await claimed();
      if (after !== before)
        throw new Error(`${after - before} claims were committed after the answer that the key is disabled`);
      const [{ n }] = await steady.sql(
        `SELECT count(*)::int AS n FROM audit WHERE target_id = $1 AND details ? 'endedTransactions'`,
        [keyId],
      );
      if (n === 0) throw new Error('the transaction of the server that stopped was not ended by the change');
      await ready([steady, doomed]);
    }
    await callers.more(50);
    await callers.stop();
    assertAlive([steady, doomed]);
    const figures = await callers.check();
    callers.close();
    for (const server of [steady, doomed]) await server.stop();
    return { ...figures, slowestDisablingMs: Math.round(slowest) };
  },
};

/** @returns the status of a new machine's claim. */
async function claim(server, key) {
  const answer = await fetch(`${server.url}/api/v1/provision`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ provision_key: key, device_name: 'thief', hardware_id: randomUUID() }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

async function untilRefused(server, key) {
  for (;;) {
    const status = await claim(server, key);
    if (status === 403) return;
    if (![200, 201, 503].includes(status)) throw new Error(`a claim was answered ${status}`);
    await sleep(20);
  }
}

// How long handshakes with pre-shared keys take that fail: whether the identity is known and the key wrong, or it was revoked, or never was, nobody
// shall be able to tell (docs/credentials.md §4). That the same work is done is shown by src/access/site-credentials/psk-identities.service.spec.ts.
import { randomBytes } from 'node:crypto';
import tls from 'node:tls';
import { inTurn, median, round, sleep } from '../load/lib.mjs';
import { freePort } from '../load/testbed.mjs';
import { certificateFiles, claimDevices } from '../load/tls-devices.mjs';
import { anotherServer } from './servers.mjs';

/** @typedef {{ name: string, options: tls.ConnectionOptions, alert: RegExp }} Version */
/** @type {Version} */
const TLS_1_3 = { name: 'TLS 1.3', options: { minVersion: 'TLSv1.3' }, alert: /alert number 47/ };
/** @type {Version} */
const TLS_1_2 = { name: 'TLS 1.2', options: { maxVersion: 'TLSv1.2', ciphers: 'PSK' }, alert: /alert number 20/ };
const WARM_UP = 20;
const LOOK_MS = 20;
/** Standard deviations that two samples of one kind may be apart by chance, and what may stay beyond. */
const [BY_CHANCE, BEYOND] = [6, 0.03];

/**
 * @param samples of each kind in each version
 * @returns how many there were, and the largest share by which handshakes of one kind took longer than those of another; even is 50
 * @throws when one can tell two kinds apart
 */
export async function handshakeTimes(testbed, samples) {
  const port = await freePort();
  const env = { ...(await certificateFiles(testbed.folder)), DEVICE_TLS_PORT: String(port) };
  const server = await anotherServer(testbed, await testbed.database(), { env, tls: true });
  try {
    const { orgId } = await server.organization('handshakes');
    const [known, revoked] = await claimDevices(server, orgId, 'psk', 2);
    if (!known?.identity || !revoked?.identity || !revoked.psk) throw new Error('the devices got no pre-shared key');
    const deviceId = revoked.identity.replace(/\.[^.]*$/, '');
    const [{ id }] = await server.sql('SELECT site_id AS id FROM site WHERE device_id = $1', [deviceId]);
    const revokedFails = () =>
      fails(port, TLS_1_3, revoked.identity, revoked.psk).then(
        () => true,
        () => false,
      );
    // By its own key it gets in once it is known, and fails once it is revoked.
    while (await revokedFails()) await sleep(LOOK_MS);
    await server.api('POST', `/site/${id}/revoke`, {});
    while (!(await revokedFails())) await sleep(LOOK_MS);
    const wrong = randomBytes(32).toString('base64url');
    const kinds = [known.identity, revoked.identity, `${deviceId}.abcdefgh`];
    let [handshakes, widest] = [0, 0.5];
    for (const version of [TLS_1_3, TLS_1_2]) {
      /** @type {number[][]} */
      const taken = kinds.map(() => []);
      for (let n = -WARM_UP; n < samples; n++)
        for (let i = 0; i < kinds.length; i++) {
          // Whoever comes first in a round is another one each time.
          const kind = (n + WARM_UP + i) % kinds.length;
          const ms = await fails(port, version, inTurn(kinds, kind), kind === 1 ? revoked.psk : wrong);
          if (n >= 0) inTurn(taken, kind).push(ms);
        }
      handshakes += samples * kinds.length;
      for (const [a, b] of [
        [0, 1],
        [0, 2],
        [1, 2],
      ].map((pair) => pair.map((kind) => inTurn(taken, kind)))) {
        const longer = Math.abs(shareOfLonger(a ?? [], b ?? []) - 0.5);
        widest = Math.max(widest, 0.5 + longer);
        if (longer > BY_CHANCE * Math.sqrt((2 * samples + 1) / (12 * samples ** 2)) + BEYOND)
          throw new Error(
            `${version.name}: times tell identities apart: medians ${taken.map((ms) => round(median(ms), 3))} ms`,
          );
      }
    }
    return { handshakes, widest: round(100 * widest, 1) };
  } finally {
    await server.stop();
  }
}

/** @returns {Promise<number>} the milliseconds until a handshake failed as it should. @throws when it did otherwise */
function fails(port, { options, alert }, identity, psk) {
  const pskCallback = () => ({ identity, psk: Buffer.from(psk, 'base64url') });
  const began = performance.now();
  const socket = tls.connect({
    ...{ port, host: '127.0.0.1', rejectUnauthorized: false, checkServerIdentity: () => undefined },
    ...options,
    pskCallback,
  });
  return new Promise((done, failed) => {
    socket.once('secureConnect', () => failed(new Error('the handshake ended well')));
    socket.once('error', (error) => (alert.test(error.message) ? done(performance.now() - began) : failed(error)));
  }).finally(() => socket.destroy());
}

/** How often one of `a` took longer than one of `b`, of all pairs: a half where they are alike (Mann and Whitney). */
function shareOfLonger(a, b) {
  const all = [...a.map((ms) => ({ ms, own: 1 })), ...b.map((ms) => ({ ms, own: 0 }))].sort((x, y) => x.ms - y.ms);
  let [shorter, wins] = [0, 0];
  for (const { own } of all) {
    if (own === 0) shorter++;
    else wins += shorter;
  }
  return wins / (a.length * b.length);
}

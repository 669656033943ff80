// Uniform refusal (docs/claims.md rule 2): every refused reason takes the same time, and without the floor it would not.
import { randomBytes, randomUUID } from 'node:crypto';
import { HttpConnection } from './http-client.mjs';
import { median, round } from './lib.mjs';

/** Few: the samples are about the answers, not about a full server. Many: under load the slower reasons are slower than the floor. */
const CALLERS = 12;
const MANY_CALLERS = 40;
const nonce = () => randomBytes(32).toString('base64url');

/** @returns for each reason of a device's claim: its name and what makes a body that is refused for it. */
async function reasons(server) {
  const orgId = 'refusals';
  await server.api('PUT', '/org', { orgId, name: orgId, subnet: '10.0.0.0/12', utilitySubnet: '100.96.128.0/20' });
  const template = async (more) =>
    (await server.api('PUT', `/org/${orgId}/provisioning-template`, { name: randomUUID(), ...more })).templateId;
  const key = async (more = {}, templateBody = {}) => {
    const made = await server.api('PUT', `/org/${orgId}/site-provisioning-key`, {
      name: 'key',
      maxBatchSize: null,
      templateId: await template(templateBody),
      ...more,
    });
    return { id: made.siteProvisioningKeyId, text: made.siteProvisioningKey };
  };
  const claim = async (text, hardware_id) => {
    const response = await fetch(`${server.url}/api/v1/provision`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ provision_key: text, hardware_id, claim_nonce: nonce() }),
    });
    if (response.status !== 201)
      throw new Error(`A claim that prepares the samples: ${response.status} ${await response.text()}`);
    const [{ siteId }] = await server.sql('SELECT site_id AS "siteId" FROM site WHERE hardware_id = $1', [hardware_id]);
    return siteId;
  };
  const good = await key();
  const deleted = await key();
  await server.sql('DELETE FROM provisioning_key WHERE key_id = $1', [deleted.id]);
  const wrong = await key();
  await server.sql('UPDATE provisioning_key_generation SET secret_hash = sha256(secret_hash) WHERE key_id = $1', [
    wrong.id,
  ]);
  const disabled = await key();
  await server.api('PATCH', `/org/${orgId}/site-provisioning-key/${disabled.id}`, { status: 'disabled' });
  const revoked = await key();
  await server.api('POST', `/org/${orgId}/site-provisioning-key/${revoked.id}/revoke`);
  const expired = await key();
  await server.sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 day' WHERE key_id = $1`, [expired.id]);
  const usedUp = await key({ maxBatchSize: 1 });
  await claim(usedUp.text, randomUUID());
  const retired = await key();
  await server.api('POST', `/org/${orgId}/site-provisioning-key/${retired.id}/rotate`, { overlapSeconds: 0 });
  const pattern = await key({}, { hardwareIdPattern: 'nothing-[0-9]+' });
  const certificate = await key({}, { credentialType: 'certificate' });
  const refusing = await key({}, { reclaimPolicy: 'refuse' });
  const claimed = randomUUID();
  await claim(refusing.text, claimed);
  const stoned = randomUUID();
  await server.api('POST', `/site/${await claim(good.text, stoned)}/revoke`, {});
  // Lifting the tombstone of a revoked site lets it in again, though not by an expired key.
  const late = await key();
  const stripped = randomUUID();
  await server.api('POST', `/site/${await claim(late.text, stripped)}/revoke`, {});
  await server.api('DELETE', `/org/${orgId}/tombstone/${stripped}`);
  await server.sql(`UPDATE provisioning_key SET expires_at = now() - interval '1 day' WHERE key_id = $1`, [late.id]);
  const fresh = (text) => () => ({ provision_key: text, hardware_id: randomUUID(), claim_nonce: nonce() });
  const known = (text, hardware_id) => () => ({ provision_key: text, hardware_id, claim_nonce: nonce() });
  return [
    ['unknown_key', fresh(deleted.text)],
    ['wrong_secret', fresh(wrong.text)],
    ['retired_generation', fresh(retired.text)],
    ['disabled', fresh(disabled.text)],
    ['revoked', fresh(revoked.text)],
    ['expired', fresh(expired.text)],
    ['used_up', fresh(usedUp.text)],
    ['pattern', fresh(pattern.text)],
    ['csr_missing', fresh(certificate.text)],
    ['tombstoned', known(good.text, stoned)],
    ['reclaim_refused', known(refusing.text, claimed)],
    ['site_revoked', known(late.text, stripped)],
  ].map(([reason, body]) => ({ reason, body }));
}

/** Interleaved samples, so that whatever the machine does hits every reason alike. @returns the median of each reason, in ms. */
async function sample(server, kinds, each, callers) {
  const times = kinds.map(() => []);
  const total = each * kinds.length;
  let next = 0;
  const answers = new Set();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      const connection = new HttpConnection(server.url);
      while (next < total) {
        const i = next++ % kinds.length;
        const body = JSON.stringify(kinds[i].body());
        const start = performance.now();
        const answer = await connection.request(
          'POST',
          '/api/v1/provision',
          { 'content-type': 'application/json' },
          body,
        );
        times[i].push(performance.now() - start);
        answers.add(`${answer.status} ${answer.body}`);
      }
      connection.close();
    }),
  );
  if (answers.size !== 1) throw new Error(`Refusals differ: ${[...answers].join(' | ')}`);
  const found = await server.sql(`SELECT DISTINCT reason FROM claim WHERE outcome = 'refused'`);
  const missing = kinds.filter(({ reason }) => !found.some((row) => row.reason === reason));
  if (missing.length > 0) throw new Error(`No sample was refused for ${missing.map((kind) => kind.reason).join(', ')}`);
  return times.map(median);
}

/** How far the medians are apart, as a share of what is allowed: 5 % or 1 ms, whichever is more. */
const apart = (medians) => (Math.max(...medians) - Math.min(...medians)) / Math.max(1, 0.05 * Math.min(...medians));

export async function refusals({ testbed, table, options }) {
  for (const [floor, callers] of [
    [true, CALLERS],
    [true, MANY_CALLERS],
    [false, CALLERS],
  ]) {
    const server = await testbed.server(await testbed.database(), {
      env: { REFUSALS_PER_MINUTE: '1000000000', ...(floor ? {} : { CLAIM_REFUSAL_FLOOR_MS: '0' }) },
    });
    const kinds = await reasons(server);
    await sample(server, kinds, 100, callers);
    const each = callers === CALLERS && floor ? options.samples : Math.min(options.samples, 500);
    const medians = await sample(server, kinds, each, callers);
    await server.stop();
    const range = `medians ${round(Math.min(...medians), 2)}–${round(Math.max(...medians), 2)} ms`;
    table.note(
      `${floor ? 'Refusals' : 'Without the floor'}, ${callers} callers, medians in ms: ${kinds.map(({ reason }, i) => `${reason} ${round(medians[i], 2)}`).join(', ')}.`,
    );
    const slowest = kinds[medians.indexOf(Math.max(...medians))]?.reason;
    table.row({
      what: floor
        ? `uniform refusal, ${callers} callers, ${kinds.length} reasons × ${each.toLocaleString('en')}`
        : `without the floor it shows (× ${each})`,
      ours: range,
      against: floor ? '5 % or 1 ms' : `5 % or 1 ms; slowest: ${slowest}`,
      ratio: apart(medians),
      target: floor ? { below: 1 } : { atLeast: 1 },
    });
  }
}

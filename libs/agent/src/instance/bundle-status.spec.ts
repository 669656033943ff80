import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../../test/support/manual-clock.js';
import { type StatusReport, writeStatus } from '../cli/status-file.js';
import { resolveSettings } from '../config/options.js';
import { bundleStatus } from './bundle-status.js';
import { type FactChanges, InstanceState } from './instance-state.js';
import { leaseTaken, momentOf } from './lease-time.js';

const [KEY, NEXT] = ['k'.repeat(43), 'n'.repeat(43)];
const DAY = 86_400;
let folder: string;
let clock: ManualClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-status-'));
  clock = new ManualClock();
});
afterEach(() => rmSync(folder, { recursive: true }));

const configFile = () => join(folder, 'config.json');
const at = () => new Date(clock.now()).toISOString();
/** What an agent leaves of a site that it is enrolled as. */
const left = (changes: FactChanges) => InstanceState.open(configFile()).change('n1', changes);
const lease = () => ({ jti: 'j', seconds: DAY, time: leaseTaken(momentOf(clock, folder), clock.now()) });
const report = (change: Partial<StatusReport>) =>
  writeStatus(configFile(), {
    pid: process.pid,
    phase: 'connected',
    updatedAt: at(),
    newtId: 'n1',
    siteId: 7,
    niceId: 'calm-otter',
    ...change,
  });

async function status(file: Record<string, unknown> = { id: 'n1' }) {
  const { settings } = resolveSettings(new Map(), {}, file);
  const asked = { clock, machineRoot: folder };
  const { code, text } = await bundleStatus(configFile(), file, settings, { ...asked, json: false });
  const json = await bundleStatus(configFile(), file, settings, { ...asked, json: true });
  expect(json.code).toBe(code);
  const rows = Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, 12).trim(), line.slice(13)]),
  );
  return { code, rows, json: JSON.parse(json.text) as Record<string, unknown> };
}

describe('what bundle status says of an instance', () => {
  it('that was never claimed', async () => {
    expect(await status({})).toMatchObject({
      code: 78,
      rows: {
        site: 'not enrolled',
        agent: 'not running',
        applied: 'no bundle yet',
        stored: 'no bundle: without the server nothing starts',
        lease: 'none',
        'signing key': 'none yet',
      },
    });
  });

  it.each(['trustFingerprint', 'claimedTrust'])('whose key is known by %s, and signed nothing yet', async (name) => {
    const { rows, json } = await status({ id: 'n1', [name]: `${KEY}.${NEXT}` });
    expect(rows['signing key']).toBe(`${KEY}, of which nothing was seen yet`);
    expect(json['signingKey']).toBe(KEY);
  });

  it('that was pinned anew: what was seen of another key does not count', async () => {
    left({ trust: [{ kid: NEXT, jwk: { kty: 'OKP', crv: 'Ed25519', x: '' } }] });
    expect((await status({ id: 'n1', trustFingerprint: KEY })).json['signingKey']).toBe(KEY);
    expect((await status()).rows['signing key']).toBe(NEXT);
  });

  it('that waits for its approval', async () => {
    report({ siteStatus: 'pending' });
    expect(await status()).toMatchObject({
      code: 69,
      rows: { site: 'calm-otter (site 7), waits for its approval', agent: 'running, connected', lease: 'none' },
      json: { niceId: 'calm-otter', status: 'pending', agent: 'connected' },
    });
  });

  it('that runs with what it has, and one whose newest bundle has failed', async () => {
    left({ applied: 5, bundle: { version: 5, digest: 'd' }, lease: lease() });
    report({});
    const [taken, ends] = [at(), new Date(clock.now() + DAY * 1000).toISOString()];
    const well = await status();
    expect(well).toMatchObject({
      code: 0,
      rows: { applied: '5', stored: '5', lease: `taken at ${taken}, ends at ${ends}` },
      json: { leaseTaken: taken, leaseEnds: ends, failed: null },
    });
    left({ failed: { version: 6, reason: 'digest', at: at() } });
    expect(await status()).toMatchObject({ code: 0, rows: { applied: '5', failed: `bundle 6 at ${at()}: digest` } });
  });

  it('that is away: why, and when the lease has ended, by the clock that nobody sets', async () => {
    left({ applied: 5, lease: lease() });
    report({ phase: 'unreachable', lastError: 'get-token: connect ECONNREFUSED' });
    expect((await status()).rows['agent']).toBe('running, unreachable: get-token: connect ECONNREFUSED');
    clock.pass(DAY * 1000 + 60_000);
    clock.set(clock.now() - 3 * DAY * 1000);
    const { code, rows } = await status();
    expect([code, rows['lease']]).toEqual([69, expect.stringMatching(/^taken at .*, ended at /)]);
    expect(Date.parse(rows['lease']!.split(' ended at ')[1]!)).toBe(clock.now() - 60_000);
  });

  it('that is refused, or over', async () => {
    left({ applied: 5, lease: lease(), refused: at() });
    expect(await status()).toMatchObject({
      code: 77,
      rows: { refused: `since ${at()}: nothing starts from what is stored` },
    });
    left({ refused: undefined, revoked: { at: at(), reason: 'revoked', credential: 'c' } });
    // Its id went with the credential.
    expect(await status({})).toMatchObject({
      code: 77,
      rows: { site: 'n1', lease: 'none: the site is over', revoked: expect.stringContaining('revoked at') },
    });
  });

  it('of another site, whose key was given since, is not this one', async () => {
    left({ applied: 5, lease: lease() });
    expect(await status({ id: 'n2' })).toMatchObject({ code: 69, rows: { site: 'n2', applied: 'no bundle yet' } });
  });
});

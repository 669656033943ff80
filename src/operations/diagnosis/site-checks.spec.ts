import { describe, expect, it } from 'vitest';
import { SESSION_ENDS } from '#contracts';
import { SITE_CHECKS } from './diagnosis.dto.js';
import { isOlder, siteChecks } from './site-checks.js';
import type { SiteFacts } from './site-facts.repository.js';

const now = new Date('2026-11-29T03:00:00Z');
const ago = (minutes: number) => new Date(now.getTime() - minutes * 60_000);
const at = (minutes: number) => ago(minutes).toISOString();

/** A site of which nothing is wrong. */
const sound: SiteFacts = {
  type: 'newt',
  status: 'approved',
  createdAt: ago(10_000),
  now,
  orgClosedAt: null,
  orgClosedBy: null,
  revokedAt: null,
  suspendedAt: null,
  decidedAt: ago(9_000),
  decidedBy: 'alice',
  decisionNote: null,
  hardwareId: 'hw-1',
  desiredVersion: 4,
  reclaimAllowedUntil: null,
  online: true,
  address: '192.0.2.7',
  connectedAt: ago(60),
  lastSeenAt: ago(0),
  clientType: 'agent',
  guardedUntil: null,
  agentVersion: '1.2.0',
  appliedVersion: 4,
  appliedError: null,
  claim: { at: at(10_000), address: '192.0.2.7', keyId: 'k1', door: 'device' },
  session: { connectedAt: at(200), endedAt: at(61), reason: 'restart', address: '192.0.2.7' },
  recentSessions: 1,
  credential: {
    kind: 'api_key',
    createdAt: at(10_000),
    usable: true,
    until: null,
    revokedAt: null,
    renewUntil: null,
    lastUsedAt: at(60),
    lastUsedAddress: '192.0.2.7',
  },
  rotation: null,
  reuse: null,
  reclaim: null,
  contest: null,
  clone: null,
  duplicate: null,
  bundle: null,
  blueprints: [],
  blueprintDue: null,
  targets: { enabled: 1, unhealthy: [] },
};
const away: Partial<SiteFacts> = {
  online: false,
  session: { connectedAt: at(600), endedAt: at(46), reason: 'connection_lost', address: '192.0.2.7' },
};
const credential = (fields: Partial<NonNullable<SiteFacts['credential']>>) => ({
  credential: { ...sound.credential!, usable: false, ...fields },
});

const look = (fields: Partial<SiteFacts> = {}, taking = true) => siteChecks({ ...sound, ...fields }, taking, '1.2.0');
const cause = (fields: Partial<SiteFacts> = {}, taking = true) =>
  look(fields, taking).find(({ state }) => state === 'failed');

describe('the checks of a site', () => {
  it('are all there, in one order, and none fails where nothing is wrong', () => {
    expect(look().map(({ check }) => check)).toEqual(SITE_CHECKS);
    expect(look().map(({ state }) => state)).toEqual(SITE_CHECKS.map(() => 'ok'));
    expect(
      look(
        { type: 'local', online: false, credential: null, claim: null, clientType: null, agentVersion: null },
        false,
      ).map(({ state }) => state),
    ).toEqual(SITE_CHECKS.map(() => 'ok'));
  });

  // Each is away, too: the cause comes first.
  it.each<[string, Partial<SiteFacts>, RegExp]>([
    ['organization', { ...away, orgClosedAt: ago(30), orgClosedBy: 'bob', suspendedAt: ago(40) }, /reopen it/],
    [
      'not_revoked',
      {
        ...away,
        revokedAt: ago(30),
        status: 'pending',
        suspendedAt: ago(40),
        ...credential({ revokedAt: at(30) }),
      },
      /re-claim/,
    ],
    ['not_suspended', { ...away, status: 'pending', suspendedAt: ago(40) }, /Approve the site/],
    ['approved', { ...away, status: 'pending' }, /Approve or reject/],
    ['credential', { ...away, credential: null }, /re-claim/],
    ['credential', { ...away, ...credential({ revokedAt: at(50) }) }, /re-claim/],
    ['credential', { ...away, ...credential({ until: at(46), renewUntil: at(10) }) }, /re-claim/],
    ['credential', { ...away, ...credential({ until: at(46), renewUntil: at(-500) }) }, /renews by itself until 2026/],
    [
      'reclaim',
      { ...away, reclaim: { at: at(20), outcome: 'refused', reason: 'used_up', address: '192.0.2.8', keyId: 'k1' } },
      /Raise the limit/,
    ],
    [
      'reclaim',
      { ...away, reclaim: { at: at(20), outcome: 'refused', reason: null, address: '192.0.2.8', keyId: null } },
      /may read claims/,
    ],
    [
      'reclaim',
      { ...away, reclaim: { at: at(20), outcome: 'recognised', reason: null, address: '192.0.2.8', keyId: 'k1' } },
      /lost its credential/,
    ],
    ['connection', away, /power and network/],
    ['connection', { ...away, ...credential({ usable: true, lastUsedAt: at(5) }) }, /websockets do not/],
    ['connection', { online: false, session: null, connectedAt: null, lastSeenAt: null }, /Start the agent/],
    ['copies', { contest: { at: at(100), address: '198.51.100.1' } }, /not this machine/],
    ['copies', { clone: { at: at(90_000), held: true } }, /not this machine/],
    ['copies', { reuse: { at: at(100), address: '198.51.100.1' } }, /not this machine/],
    [
      'duplicate_session',
      { duplicate: { at: at(3), establishedAddress: '192.0.2.7', newcomerAddress: '198.51.100.1' } },
      /Stop the machine/,
    ],
    ['state_applied', { appliedError: 'disk full' }, /Mend/],
    ['bundle', { bundle: { state: 'failed', reason: 'exit 1', version: 2, changedAt: at(5) } }, /roll out again/],
    ['bundle', { bundle: { state: 'fetched', reason: null, version: 2, changedAt: at(61) } }, /does not take/],
    [
      'blueprint',
      { blueprints: [{ kind: 'file', succeeded: false, message: 'no such domain', at: at(5) }] },
      /Correct the document/,
    ],
    ['blueprint', { blueprintDue: { attempts: 2, at: at(-5) } }, /profile/],
    [
      'resources',
      { targets: { enabled: 2, unhealthy: [{ resource: 'Shop', ip: '10.0.0.1', port: 80 }] } },
      /programs behind/,
    ],
    ['version', { agentVersion: '1.1.9' }, /anew/],
  ])('%s is the cause: %o', (check, fields, nextStep) => {
    const found = cause(fields)!;
    expect(found.check).toBe(check);
    expect(found.nextStep).toMatch(nextStep);
    expect(found.evidence.length).toBeGreaterThan(0);
  });

  it('name the servers where none takes sessions', () => {
    expect(cause(away, false)!.check).toBe('server');
  });

  it('say of each end of a session what it was, when, from where, and what to do', () => {
    for (const reason of SESSION_ENDS) {
      const found = cause({ online: false, session: { ...away.session!, reason } })!;
      expect(found).toMatchObject({ check: 'connection', since: ago(46), nextStep: expect.stringMatching(/./) });
      expect(found.evidence[0]).toEqual({ text: expect.stringMatching(/./), at: ago(46), address: '192.0.2.7' });
    }
  });

  it('leave alone what was before it went away, and what is a day old', () => {
    const refused = { at: at(50), outcome: 'refused', reason: 'used_up', address: null, keyId: 'k1' };
    expect(cause({ ...away, reclaim: refused })!.check).toBe('connection');
    expect(
      cause({
        contest: { at: at(1441), address: null },
        duplicate: { at: at(1441), establishedAddress: null, newcomerAddress: null },
      }),
    ).toBeUndefined();
  });

  it('say what cannot be known of a newt', () => {
    const unknown = look({ clientType: 'newt' }).filter(({ state }) => state === 'unknown');
    expect(unknown.map(({ check }) => check)).toEqual(['state_applied', 'version']);
    for (const { evidence } of unknown) expect(evidence).toHaveLength(1);
  });
});

it('versions are compared part by part', () => {
  expect(isOlder('0.9.10', '0.10.0')).toBe(true);
  expect(isOlder('v1.2.0-rc.1', '1.2.0')).toBe(false);
  expect(isOlder('2.0.0', '1.9.9')).toBe(false);
});

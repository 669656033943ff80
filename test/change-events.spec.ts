import { expect, it } from 'vitest';
import { EVENT_TYPES } from '#contracts';
import { changeEvents } from '../src/audit/change-events.js';
import { JOBS_OPERATIONS } from './support/operations/jobs.js';
import { OPERATIONS } from './support/operations.js';
import { operator } from './support/test-app.js';

/** Audited acts that are told by an event of their own, or by none. */
const WITHOUT = {
  'site.approve': 'site.approved',
  'site.reject': 'site.rejected',
  'site.revoke': 'site.revoked',
  'site.claim': 'device.provisioned',
  'site.renew_credential': 'site.credential_rotated, once it was used',
  'job.cancel': 'job.finished',
  'auth.login': 'of no organization',
  'auth.logout': 'of no organization',
  'auth.end_session': 'of no organization',
  'user.change_password': 'of no organization',
  'user.prove_mailbox': 'of no organization',
  'user.reset_password': 'of no organization',
  'user.set_two_factor': 'of no organization',
  'user.verify': 'of no organization',
  'org.create': 'nobody looks at it yet',
  'org.delete': 'nobody may look at it any more',
  'signing_key.rotate': 'no page lives by it',
  'certificate_authority.rotate': 'no page lives by it',
};
const OF_PEOPLE = /^(auth|user)\./;

const entry = (action: string, type: string, more: object = {}) => ({
  principal: { ...operator, name: 'ada' },
  orgId: OF_PEOPLE.test(action) ? null : 'acme',
  action,
  target: { type, id: 7 },
  ...more,
});
const typesOf = (action: string, type: string, more?: object) =>
  changeEvents([entry(action, type, more)]).map((event) => event.type);

it('each audited operation is an event that somebody can read, or says why not', () => {
  expect(Object.keys(OPERATIONS)).toEqual(expect.arrayContaining(Object.keys(JOBS_OPERATIONS)));
  for (const [id, { audit }] of Object.entries(OPERATIONS)) {
    if (!audit) continue;
    const types = typesOf(audit[0], audit[1]);
    for (const type of types) expect(EVENT_TYPES, id).toContain(type);
    expect(types.length === 0, `${id} (${audit[0]}) is told by ${types.join()}`).toBe(audit[0] in WITHOUT);
  }
});

it.each([
  ['site.create', 'site', 'site.created'],
  ['site.update', 'site', 'site.updated'],
  ['site.delete', 'site', 'site.deleted'],
  ['site_provisioning_key.rotate', 'site_provisioning_key', 'key.updated'],
  ['secret.add_version', 'secret', 'secret.updated'],
  ['org_user.remove', 'user', 'member.deleted'],
  ['org_user.add_role', 'user', 'member.updated'],
  ['resource.set_password', 'resource', 'resource.updated'],
])('%s of a %s is told as %s', (action, type, told) => expect(typesOf(action, type)).toEqual([told]));

it('says which it was, by its number in a field of its own', () => {
  expect(changeEvents([entry('site.update', 'site'), entry('target.create', 'target')])).toEqual([
    { orgId: 'acme', siteId: 7, type: 'site.updated', data: { action: 'site.update', by: 'ada' } },
    { orgId: 'acme', type: 'target.created', data: { targetId: 7, action: 'target.create', by: 'ada' } },
  ]);
});

it('what was refused, or what a step of a job did, is no event', () => {
  expect(typesOf('site.update', 'site', { result: 'refused' })).toEqual([]);
  expect(typesOf('site.update', 'site', { details: { jobId: 3 } })).toEqual([]);
  expect(typesOf('site.approve', 'site', { details: { changed: true } })).toEqual([]);
});

it('fields that change along with a decision are told', () =>
  expect(typesOf('site.approve', 'site', { details: { fields: ['name'], changed: false } })).toEqual(['site.updated']));

it('alike changes of one call are told one by one up to ten, and in one beyond', () => {
  const sites = (n: number) => Array.from({ length: n }, () => entry('site.update', 'site'));
  expect(changeEvents(sites(10))).toHaveLength(10);
  const others = [entry('site.update', 'site', { orgId: 'other' }), entry('group.update', 'group')];
  expect(changeEvents([...sites(10_000), ...others])).toEqual([
    { orgId: 'acme', type: 'site.updated', data: { count: 10_000, action: 'site.update', by: 'ada' } },
    expect.objectContaining({ orgId: 'other', siteId: 7 }),
    expect.objectContaining({ type: 'group.updated' }),
  ]);
});

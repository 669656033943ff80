import { describe, expect, it } from 'vitest';
import { actionsOfRole, MEMBER_ACTIONS, PRESET_ACTIONS, ROLE_PRESETS } from './roles.js';
import { ACTIONS, type Action } from './scopes.js';

const role = (over: Partial<Parameters<typeof actionsOfRole>[0]>) =>
  actionsOfRole({ isAdmin: false, preset: null, actions: [], ...over });
const verb = (action: Action) => /^[a-z]+/.exec(action)![0];
const of = (actions: readonly Action[], pattern: RegExp) => actions.filter((action) => pattern.test(action));

describe('the built-in roles', () => {
  it('Admin holds every action, whatever is kept with it', () => {
    expect(role({ isAdmin: true })).toEqual(ACTIONS);
    expect(role({ isAdmin: true, actions: ['getOrg'] })).toEqual(ACTIONS);
  });

  it('Member holds what it always did', () =>
    expect([...MEMBER_ACTIONS].sort()).toEqual(['getOrg', 'getResource', 'listResources']));

  it('each hold what Member does', () => {
    for (const preset of ROLE_PRESETS)
      expect(PRESET_ACTIONS[preset]).toEqual(expect.arrayContaining([...MEMBER_ACTIONS]));
  });

  it('Viewer reads: nothing that it holds has a verb of change', () => {
    expect([...new Set(PRESET_ACTIONS.viewer.map(verb))].sort()).toEqual(['export', 'get', 'list', 'view']);
  });

  it('Operator does what Viewer sees, and neither deletes nor decides who has access', () => {
    const { operator, viewer } = PRESET_ACTIONS;
    expect(operator).toEqual(expect.arrayContaining([...viewer]));
    expect(of(operator, /^(delete|remove)/)).toEqual([]);
    expect(of(operator, /^(?!get|list).*(Role|User|ApiKey|Idp|LoginPage)|^inviteUser|^createOrg$/)).toEqual([
      'setResourceUsers',
      'setResourceRoles',
    ]);
    expect(operator).toEqual(
      expect.arrayContaining(['updateSite', 'revokeSite', 'updateApprovals', 'createSecret', 'useSecret', 'updateOrg']),
    );
  });

  it('Approver decides and changes nothing else', () => {
    expect(of(PRESET_ACTIONS.approver, /^(?!get|list)/)).toEqual(['updateApprovals', 'useSecret']);
    expect(PRESET_ACTIONS.approver).toEqual(
      expect.arrayContaining(['listSites', 'getSite', 'listClaims', 'listTombstones', 'listEvents', 'listApprovals']),
    );
  });
});

describe('what a role holds', () => {
  it('is its own list, but for actions that there are no more', () =>
    expect(role({ actions: ['getOrg', 'gone'] })).toEqual(['getOrg']));

  it('follows its preset', () => {
    for (const preset of ROLE_PRESETS) expect(role({ preset })).toBe(PRESET_ACTIONS[preset]);
  });
});

import { t } from '@texts/access';
import { ACTIONS, type Action } from '../../../contracts/index.js';

type Group = keyof typeof t.picker.groups;

/** By what an action is about, the first that fits: only how the list is set out, the server knows no groups. */
const ABOUT: readonly (readonly [group: Group, name: RegExp])[] = [
  ['provisioning', /Provisioning|Claim|Tombstone|Approval|allowReclaim/],
  ['configuration', /Secret$|Secrets$|Blueprint/],
  ['clients', /Client|AccessToken|AcessToken|Olm/],
  ['resources', /Resource|Target|Domain|DNS|Certificate|HealthCheck|LoginPage/],
  ['access', /Role|User|Invit|ApiKey|Idp|Ssh/],
  ['sites', /Site|Group|Newt|AddressRange/],
  ['logs', /Log|Event|Audit|Job|Alert/],
  ['organization', /Org|billing/],
];

/** All actions in the order of the catalogue, set out by what they are about. */
export const ACTION_GROUPS: readonly { group: string; actions: readonly Action[] }[] = (
  Object.entries(t.picker.groups) as [Group, string][]
)
  .map(([key, group]) => ({
    group,
    actions: ACTIONS.filter((action) => (ABOUT.find(([, name]) => name.test(action))?.[0] ?? 'other') === key),
  }))
  .filter(({ actions }) => actions.length > 0);

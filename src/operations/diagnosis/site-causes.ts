import type { SessionEnd } from '#contracts';

/** What each end of a session says, and what to do about a site that is away since. */
export const ENDS: Record<SessionEnd, [text: string, nextStep: string]> = {
  closed: [
    'The agent closed its session',
    'Start the agent on the machine again; somebody, or the machine, stopped it',
  ],
  connection_lost: [
    'The connection broke without a close',
    'Look whether the machine has power and network; where it has, whether its agent still runs',
  ],
  silent: [
    'Nothing came for so long that the server closed the session',
    'Look at the network between the machine and this server: the connection was not closed, it went dead',
  ],
  unread: [
    'The agent did not read what it was sent and was cut off',
    'Look at the machine: its agent hangs, or its line is far too slow',
  ],
  replaced: ['A newer session of this site took its place', 'Find out which machine connects as this site'],
  restart: [
    'An operator had it connect again',
    'Look at the machine: its agent was told to come back and did not; start it again',
  ],
  credential_ended: ['Its credential ended', 'Let the agent renew its credential, or allow a re-claim'],
  revoked: ['Its credential was revoked', 'Allow a re-claim of this site'],
  rejected: ['The site was rejected', 'Let the machine claim again'],
  org_closed: ['The organization was closed', 'Have an Admin of the organization reopen it'],
  deleted: ['The site was deleted', 'Let the machine claim again'],
  server_stopped: [
    'The server that held it stopped',
    'Agents return within a minute; one that did not cannot reach a server that runs',
  ],
  server_lost: [
    'The server that held it died, or was away from its database',
    'Agents return within a minute; one that did not cannot reach a server that runs',
  ],
  not_accepted: [
    'The agent was gone before its session was open',
    'Look at the network between the machine and this server, and at proxies that cut websockets',
  ],
};

/** Why a claim gave no credential, and what to do so that the next one does. */
export const REFUSALS: Record<string, [text: string, nextStep: string]> = {
  retired_generation: ['with a retired secret of its key', 'Give the machine the present secret of the key'],
  disabled: ['since its key is disabled', 'Enable the provisioning key, or give the machine another one'],
  revoked: ['since its key is revoked', 'Give the machine another provisioning key'],
  expired: ['since its key has expired', 'Extend the provisioning key, or give the machine another one'],
  used_up: ['since its key is used up', 'Raise the limit of the provisioning key'],
  door_closed: ['since its template lets no newt in', 'Open the template for newts, or use Gatehouse’s agent'],
  pattern: [
    'since its hardware id does not match the pattern',
    'Correct the hardware id, or the pattern of the template',
  ],
  csr_missing: ['since it sent no certificate request', 'Have the machine claim with a certificate request'],
  other_kind: [
    'since its template issues another kind of credential',
    'Give the machine a key of a template for its kind',
  ],
  tombstoned: ['since its device is blocked', 'Delete the tombstone of the device, if it may come back'],
  site_revoked: ['since the site is revoked', 'Allow a re-claim of this site, if the machine may come back'],
  reclaim_refused: [
    'since its template refuses re-claims',
    'Allow a re-claim of this site: the machine has lost its credential',
  ],
  public_key_taken: ['since its public key belongs to another site', 'Have the machine make a key of its own'],
};
/** The reason is not for this reader. */
export const WITHHELD: [text: string, nextStep: string] = [
  '',
  'Have somebody who may read claims look at why it was refused',
];
export const LOST: [text: string, nextStep: string] = [
  'and was recognised, without a credential',
  'Allow a re-claim of this site: the machine has lost its credential',
];

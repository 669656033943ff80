/** What a refused claim is about: where its next step is taken. */
export type RefusalPlace = 'key' | 'template' | 'blocked' | 'site';

interface Refusal {
  label: string;
  nextStep: string;
  at?: RefusalPlace;
}

/** Why a claim was refused, and what an operator can do. A reason that is not here is shown as the API says it. */
const refusals: Record<string, Refusal> = {
  malformed: { label: 'Malformed key', nextStep: 'Look at how the machine is started: its key is cut off, or no key.' },
  unknown_key: {
    label: 'Unknown key',
    nextStep: 'Look at how the machine is started: no such key was ever made here.',
  },
  wrong_secret: {
    label: 'Wrong secret',
    nextStep: 'Look at how the machine is started: the key is there, its secret is another one.',
    at: 'key',
  },
  retired_generation: {
    label: 'Previous secret',
    nextStep: 'The key was rotated: start the machine with its current secret.',
    at: 'key',
  },
  disabled: { label: 'Key is disabled', nextStep: 'Enable the key, if the machine is yours.', at: 'key' },
  revoked: { label: 'Key is revoked', nextStep: 'Start the machine with another key.', at: 'key' },
  expired: {
    label: 'Key has ended',
    nextStep: 'Move the end of the key, or start the machine with another one.',
    at: 'key',
  },
  used_up: { label: 'Key is used up', nextStep: 'Let the key make more sites, or use another one.', at: 'key' },
  door_closed: {
    label: 'Way is closed',
    nextStep: 'The template of the key does not let machines in on this way: change it, or use a key of another one.',
    at: 'template',
  },
  pattern: {
    label: 'Hardware id does not fit',
    nextStep: 'The template lets in other hardware ids: change its pattern, or use a key of another one.',
    at: 'template',
  },
  csr_missing: {
    label: 'No certificate was asked for',
    nextStep:
      'The template gives certificates: the machine has to send a signing request, or use a key of another one.',
    at: 'template',
  },
  other_kind: {
    label: 'No certificates',
    nextStep: 'It enrols by EST, and the template of the key gives no certificates: use a key of one that does.',
    at: 'template',
  },
  other_organization: {
    label: 'Address of another organization',
    nextStep: 'The address at which it enrols names the authority of somebody else: look at how the machine is set up.',
  },
  recognised: {
    label: 'Seen again, and has its credential',
    nextStep: 'If the machine lost its credential, allow its re-enrolment on the page of its site.',
    at: 'site',
  },
  tombstoned: { label: 'Blocked', nextStep: 'Unblock its hardware id, if the machine is yours.', at: 'blocked' },
  reclaim_refused: {
    label: 'Has a site already',
    nextStep: 'If the machine was set up anew, allow its re-enrolment on the page of its site.',
    at: 'site',
  },
  site_revoked: {
    label: 'Its site is revoked',
    nextStep: 'If the machine may come back, allow its re-enrolment on the page of its site.',
    at: 'site',
  },
  public_key_taken: {
    label: 'Its public key is taken',
    nextStep: 'Two machines have the same key, as copies of one disk have: make a new one on this machine.',
  },
  contended: { label: 'Claimed at the same time', nextStep: 'It tries again by itself.' },
  org_gone: { label: 'Organization was deleted', nextStep: 'Start the machine with a key of another organization.' },
};

export const t = {
  refusals,
  title: 'Claim log',
  list: 'Claims',
  description:
    'Who asked for a site with a provisioning key, and what came of it. The reason of a refusal is told to nobody else.',
  fields: {
    outcome: 'what came of it',
    key: 'provisioning key',
    hardwareId: 'hardware id',
    address: 'address that it came from, or a range such as 10.1.0.0/16',
    site: 'site, by its number',
  },
  columns: {
    at: 'Time',
    outcome: 'Outcome',
    hardwareId: 'Hardware id',
    address: 'Address',
    key: 'Key',
    door: 'Way',
    site: 'Site',
    count: 'Times',
  },
  outcomes: {
    created: 'New site',
    recognised: 'Seen again',
    reissued: 'New credential',
    contested: 'Claimed twice',
    refused: 'Refused',
    capacity: 'No room',
  },
  doors: { device: 'HTTP', newt: 'Agent or newt', est: 'EST' },
  places: {
    key: 'To the key',
    template: 'To the template',
    blocked: 'To what is blocked',
    site: 'To the site',
    diagnosis: 'Why it is not online',
  },
  empty: { title: 'No claims yet', description: 'What machines ask for with a provisioning key is kept here.' },
};

const sites = (count: number, text: string): string => (count === 1 ? 'one site' : `${text} sites`);
const networks = (count: number, text: string): string => (count === 1 ? 'one network' : `${text} networks`);

export const t = {
  stages: {
    expected: 'Expected',
    claimed: 'Claimed',
    connected: 'Connected',
    approved: 'Approved',
    configured: 'Configured',
  },
  any: 'any number',
  short: (count: string) => `${count} to go`,
  more: (count: string) => `and ${count} more`,
  unexpected: (count: number, text: string) =>
    count === 1 ? 'One has come that is not on the list:' : `${text} have come that are not on the list:`,
  missing: (count: string) => `Missing: ${count}`,
  columns: { hardwareId: 'Hardware id', standing: 'What is known', site: 'Site', lastRefusal: 'Last refused' },
  noList: 'Give it the list of a delivery note: it says which of those machines are missing, and why.',
  complete: 'Every expected machine has come.',
  pages: 'Pages of missing machines',
  standings: {
    enrolled: 'Enrolled',
    other_key: 'Came by another key',
    blocked: 'Blocked',
    refused: 'Refused',
    seen_before: 'Seen before, its site is gone',
    never_seen: 'Never seen',
  },
  refusals: 'Refused, by reason',
  refusalColumns: { reason: 'Reason', nextStep: 'Next step', count: 'Times', last: 'Last' },
  toClaims: 'In the claim log',
  arrivals: 'Arrivals per hour',
  arrivalsOf: { '24': 'Last 24 hours', '72': 'Last 3 days', '168': 'Last 7 days' },
  noArrivals: 'Nothing has come in that time.',
  sites: 'Sites',
  expect: 'Expected machines',
  list: {
    title: 'Expected machines',
    hardwareIds: 'Hardware ids',
    hint: 'One in a line, as on the delivery note; MAC addresses in any spelling. At most 10,000.',
    upload: 'From a file',
    count: (count: string) => `${count} hardware ids`,
    lookUp: 'Look them up',
    keep: 'Keep with the key',
    keepHint: 'They take the place of the list before.',
    saved: 'The list is kept with the key',
    forget: 'Forget the list',
    forgotten: 'The key has no list any more',
    all: 'All',
    standings: 'Which of them are shown',
    found: 'Machines of the list',
    shown: (shown: string, total: string) => `The first ${shown} of ${total}; the file has them all.`,
    export: 'As a CSV file',
    exportKept: 'Whole list as CSV',
    csv: ['hardware id', 'what is known', 'site', 'state', 'last refused', 'at', 'from'],
  },
  leaked: {
    action: 'Leaked',
    title: (name: string) => `${name} leaked`,
    intro: 'This stops the key, and what it made for others if you say so. Nothing happens before you do.',
    since: 'Since when others may have had it',
    sinceHint: 'Empty: since it was made.',
    networks: 'Networks that are yours',
    networksHint:
      'Addresses and ranges such as 203.0.113.0/24. Those from which it was used before that time count as well.',
    measure: 'The key',
    measures: {
      disable: { label: 'Disable it', hint: 'It makes nothing until somebody enables it.' },
      rotate: { label: 'Give it another secret', hint: 'The ones before end at once; the new one is shown once.' },
    },
    suspend: 'Sites in service that it made since then',
    suspends: {
      none: { label: 'Leave them', hint: 'They stay as they are.' },
      new_networks: { label: 'Suspend those from new networks', hint: 'They may not connect until they are resumed.' },
      all: { label: 'Suspend all of them', hint: 'Also those from networks that are known.' },
    },
    pause: 'Pause all claims of the organization',
    pauseHint: 'No machine can enrol, whatever key it has, until claims are resumed.',
    made: (known: string, fresh: string) => `It made ${known}, and ${fresh}.`,
    known: (count: number, text: string, from: number, fromText: string) =>
      count === 0
        ? 'nothing from known networks'
        : `${sites(count, text)} from ${networks(from, fromText)} known before`,
    fresh: (count: number, text: string, from: number, fromText: string) =>
      count === 0
        ? 'nothing from new networks'
        : `${sites(count, text)} from ${networks(from, fromText)} never seen before`,
    will: (count: number, text: string) =>
      count === 0 ? 'No site is suspended.' : `${count === 1 ? 'One site is' : `${text} sites are`} suspended.`,
    list: 'Networks from which it was used',
    columns: { network: 'Network', sites: 'Sites', approved: 'In service', first: 'First', last: 'Last' },
    unknownNetwork: 'not known',
    isKnown: 'known',
    isNew: 'new',
    isMine: 'It is mine',
    isMineOf: (network: string) => `It is mine: ${network}`,
    submit: 'Stop the key',
    pending: (count: number, text: string) =>
      `${count === 1 ? 'One site waits' : `${text} sites wait`} for approval, and get nothing until then.`,
    disabled: (name: string) => `${name} is disabled`,
    rotated: (name: string) => `${name} has another secret; the ones before have ended`,
    job: { running: 'Suspending sites', done: (count: string) => `Suspended: ${count}` },
  },
};

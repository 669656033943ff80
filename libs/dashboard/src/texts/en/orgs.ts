export const t = {
  title: 'Organizations',
  list: 'Organizations',
  search: 'Find an organization',
  create: 'New organization',
  columns: {
    name: 'Name',
    orgId: 'Id',
    online: 'Online',
    offline: 'Offline',
    pending: 'Pending',
    createdAt: 'Created',
  },
  empty: {
    title: 'You belong to no organization',
    description: 'Somebody who administers one can invite you.',
  },
  overview: {
    title: 'Overview',
    attention: 'Needs attention',
    quiet: 'All quiet',
    quietHint: 'Nothing is offline, waits for approval, or never connected.',
    sites: 'Sites by state',
    offline: (count: string, n: number) => (n === 1 ? '1 site is offline' : `${count} sites are offline`),
    pending: (count: string, n: number) => (n === 1 ? '1 site waits for approval' : `${count} sites wait for approval`),
    never_connected: (count: string, n: number) =>
      n === 1 ? '1 approved site never connected' : `${count} approved sites never connected`,
  },
};

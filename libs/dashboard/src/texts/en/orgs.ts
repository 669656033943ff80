export const t = {
  title: 'Organizations',
  list: 'Organizations',
  search: 'Find an organization, or what is in one',
  paused: 'Claims paused',
  closed: 'Closed',
  columns: {
    name: 'Name',
    orgId: 'Id',
    attention: 'Attention',
    online: 'Online',
    offline: 'Offline',
    pending: 'Pending',
    keysEnding: 'Keys that end',
    lastClaimAt: 'Last claim',
  },
  others: 'You belong to these too, and may not see what is in them:',
  empty: {
    title: 'You belong to no organization',
    description: 'Somebody who administers one can invite you.',
  },
};

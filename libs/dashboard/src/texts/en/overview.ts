export const t = {
  title: 'Overview',
  attention: 'Needs attention',
  offline: (count: string, n: number) =>
    n === 1
      ? '1 site has been offline for more than an hour'
      : `${count} sites have been offline for more than an hour`,
  down: (count: string, n: number) => (n === 1 ? '1 public resource is down' : `${count} public resources are down`),
  pending: (count: string, n: number) => (n === 1 ? '1 site waits for approval' : `${count} sites wait for approval`),
  refused: (count: string, n: number) =>
    n === 1 ? '1 claim was refused in the last 24 hours' : `${count} claims were refused in the last 24 hours`,
  bundles: (count: string, n: number) => (n === 1 ? '1 start-up bundle failed' : `${count} start-up bundles failed`),
  expiring: (count: string, n: number) =>
    n === 1 ? '1 key or credential ends within 7 days' : `${count} keys and credentials end within 7 days`,
  contested: (count: string, n: number) => (n === 1 ? '1 site was claimed twice' : `${count} sites were claimed twice`),
  quiet: 'All quiet',
  quietSince: (when: string) => `All quiet since ${when}`,
  quietHint: 'Nothing is down, waits, was refused, failed or ends soon.',
  paused: {
    pause: 'Pause claims',
    done: 'Claims are paused: nothing can enrol',
    resume: 'Resume claims',
    resumed: 'Claims are taken again',
    by: (who: string) => `${who} paused claims: nothing can enrol. Paused`,
  },
  sites: 'Sites by state',
  none: {
    title: 'No sites yet',
    description:
      'A site is a machine that enrolled with a provisioning key. Create one, and run its line on a machine.',
    action: 'Create a key',
  },
  charts: {
    title: 'Over time',
    nothing: 'Nothing in this time.',
    period: 'Period',
    periods: { '24h': '24 hours', '30d': '30 days' },
    online: 'Sites online',
    claims: 'Claims and refusals',
    connections: 'Connects and disconnects',
    metrics: {
      online: 'Online',
      claims: 'Claims',
      refusals: 'Refused',
      connects: 'Connects',
      disconnects: 'Disconnects',
      approvals: 'Approvals',
    },
  },
};

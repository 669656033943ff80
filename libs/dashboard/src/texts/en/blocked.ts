export const t = {
  title: 'Blocked hardware ids',
  list: 'Blocked hardware ids',
  description:
    'Machines with these hardware ids may claim nothing, because their site was rejected, revoked or replaced.',
  empty: {
    title: 'Nothing is blocked',
    description: 'A hardware id is blocked when its site is rejected, revoked or replaced.',
  },
  columns: {
    hardwareId: 'Hardware id',
    site: 'Site that had it',
    reason: 'Because',
    note: 'Note',
    by: 'By',
    createdAt: 'Since',
  },
  reasons: { rejected: 'Rejected', revoked: 'Revoked', replaced: 'Replaced' } as Record<string, string>,
  lift: 'Unblock',
  liftOne: (id: string) => `Unblock ${id}`,
  liftTitle: 'Unblock a hardware id',
  liftConsequence: (id: string) => `${id} may claim again, with any provisioning key that lets it in.`,
  lifted: (id: string) => `${id} may claim again`,
  tabs: { blocked: 'Blocked', rejections: 'Rejected sites' },
  rejections: {
    list: 'Sites that were rejected',
    fields: { hardwareId: 'hardware id' },
    columns: {
      name: 'Site',
      hardwareId: 'Hardware id',
      by: 'By',
      note: 'Why',
      rejectedAt: 'Rejected',
      tombstone: 'Blocked',
    },
    blocked: 'Blocked',
    notBlocked: 'May claim again',
    empty: {
      title: 'No site was rejected',
      description: 'What was rejected is kept here, though the site itself is gone.',
    },
  },
};

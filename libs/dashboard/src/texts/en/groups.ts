/** Groups of sites. */
export const t = {
  title: 'Groups',
  list: 'Groups of this organization',
  back: 'Groups',
  create: 'Create a group',
  createTitle: 'New group',
  columns: { name: 'Name', description: 'Description', siteCount: 'Sites', createdAt: 'Created' },
  empty: {
    title: 'No groups yet',
    description: 'A group holds sites that belong together, such as a hall or a customer. A site may be in several.',
  },
  created: (name: string) => `Group ${name} created`,
  saved: (name: string) => `Group ${name} saved`,
  group: {
    counts: (count: string, n: number) => (n === 1 ? '1 site' : `${count} sites`),
    sites: 'Sites of this group',
    edit: 'Name and description',
    add: 'Add sites',
    addTitle: (name: string) => `Add sites to ${name}`,
    addLabel: 'Sites',
    empty: {
      title: 'No sites in this group',
      description: 'Sites come into a group by hand, or by the template or profile that they enrol with.',
    },
    delete: 'Delete group',
    deleteTitle: (name: string) => `Delete the group ${name}`,
    deleteConsequence: 'Its sites stay. Rules, profiles and filters that name the group find it no more.',
    deleted: (name: string) => `Group ${name} deleted`,
  },
};

export const t = {
  title: 'My resources',
  intro: (organization: string) => `What you may open in ${organization}.`,
  public: { title: 'Web and ports', list: 'Public resources that you may open' },
  private: { title: 'Private network', list: 'Private resources that you may reach' },
  search: 'Find a resource',
  open: (name: string) => `Open ${name}`,
  disabled: 'Switched off',
  needsLogin: 'Asks who you are',
  empty: {
    title: 'Nothing is open to you yet',
    description: 'Who administers the organization can open resources to you, or to one of your roles.',
  },
  noMatch: 'Nothing is called that.',
};

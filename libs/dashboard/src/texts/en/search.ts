export const t = {
  kinds: {
    site: 'Sites',
    publicResource: 'Public resources',
    privateResource: 'Private resources',
    provisioningKey: 'Provisioning keys',
    apiKey: 'API keys',
    client: 'Clients',
    user: 'People',
  },
  found: (text: string) => `Found for “${text}”`,
  nothing: 'In your organizations nothing has it in its name, id, hardware id or address.',
};

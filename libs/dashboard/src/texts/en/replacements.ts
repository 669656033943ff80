const many = (count: number, text: string): string =>
  count === 1 ? 'One site waits for another device' : `${text} sites wait for another device`;

/** Replacements that are prepared: a site waits for the claim of another device. */
export const t = {
  title: 'It waits for another device',
  next: (hardwareId: string) =>
    `The next claim of ${hardwareId} becomes this site. Start its agent with a provisioning key.`,
  prepared: (by: string) => `Prepared by ${by}`,
  until: 'Waited for until',
  list: 'Sites that wait for another device',
  waiting: many,
  none: 'No site waits for another device',
  empty: {
    title: 'No site waits for another device',
    description: 'On the page of a site, “Replace the device” prepares it for a machine that is to enrol.',
  },
  columns: {
    site: 'Site',
    hardwareId: 'Waits for',
    askedBy: 'Prepared by',
    askedAt: 'Prepared',
    expiresAt: 'Until',
  },
  withdraw: 'Withdraw',
  withdrawOne: (name: string) => `Withdraw the replacement of ${name}`,
  withdrawTitle: 'Withdraw the replacement',
  consequence: (name: string, hardwareId: string) =>
    `${name} keeps the device that it has. ${hardwareId} makes a site of its own with its next claim.`,
  withdrawn: (name: string) => `${name} waits for no other device`,
};

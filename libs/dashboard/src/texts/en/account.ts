export const t = {
  title: 'Account',
  profile: 'Profile',
  email: 'E-mail address',
  name: 'Name',
  userId: 'User id',
  serverAdmin: 'Server administrator',
  memberships: 'Organizations',
  owner: 'Owner',
  password: {
    title: 'Password',
    hint: 'Changing it ends your sessions on other devices.',
    current: 'Current password',
    next: 'New password',
    submit: 'Change password',
    done: 'Password changed; other sessions have ended',
  },
  appearance: {
    title: 'Appearance and time',
    scheme: 'Appearance',
    zone: 'Times are shown in',
  },
};

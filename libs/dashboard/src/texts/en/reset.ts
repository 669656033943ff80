export const t = {
  request: {
    title: 'Forgotten password',
    text: 'A link to choose a new one is mailed to the address of your account. It works for an hour, once.',
    email: 'E-mail address',
    submit: 'Mail me a link',
    sent: 'If the address has an account, a link is on its way.',
    back: 'Back to sign in',
  },
  confirm: {
    title: 'Choose a new password',
    text: 'Every session of the account ends.',
    password: 'New password',
    hint: '8 to 72 characters.',
    submit: 'Set password',
  },
  unusable: {
    title: 'This link works no more',
    description: 'It was used, is older than an hour, or a newer one was asked for.',
    again: 'Ask for another',
  },
  done: {
    title: 'Password set',
    text: (email: string) => `Sign in as ${email} with the new password.`,
    left: (names: string) => `The mailbox is proven now. Memberships that the account had until then ended: ${names}.`,
    signIn: 'Sign in',
  },
};

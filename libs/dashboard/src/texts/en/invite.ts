export const t = {
  title: 'Accept an invitation',
  intro: (email: string) => `You are invited as ${email}.`,
  introUnknown: 'You are invited to an organization.',
  password: 'Password',
  passwordHint:
    '8 to 72 characters; you sign in with it from now on. If you have an account here already whose mailbox is proven, leave this empty and keep the one you have.',
  submit: 'Accept',
  noToken: {
    title: 'This is no invitation',
    description: 'The address lacks its token. Open the link of the mail as a whole.',
  },
  unusable: {
    title: 'This invitation works no more',
    description: 'It was used, revoked, or has ended. Who invited you can make a new link.',
  },
  done: {
    title: 'You are in',
    text: (orgId: string) => `You belong to the organization ${orgId} now. Sign in to go there.`,
    here: (orgId: string) => `You belong to the organization ${orgId} now.`,
    signIn: 'Sign in',
    enter: 'To the organization',
  },
};

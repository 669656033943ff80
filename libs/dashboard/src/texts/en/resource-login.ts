export const t = {
  title: 'Sign in',
  intro: (host: string) => `${host} asks who you are.`,
  going: (host: string) => `Going on to ${host}…`,
  forbidden: {
    title: 'You have not been let in',
    description: (host: string) => `Ask those who run ${host} for access, then open it again.`,
  },
  ended: {
    title: 'This login has ended',
    description: 'A login takes ten minutes at most. Open the page that you came from again.',
  },
  failed: 'Try again',
};

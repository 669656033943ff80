export const t = {
  title: 'Sign in',
  email: 'E-mail address',
  password: 'Password',
  submit: 'Sign in',
  forgotten: 'Forgot the password?',
  expired: { title: 'Sign in again', text: 'Your session has ended. What you typed is still here.' },
  asOther: 'Somebody else signed in: the page begins anew.',
};

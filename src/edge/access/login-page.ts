import { type EdgeAnswer, escaped, pageDocument, pagePolicy } from '../http/error-pages.js';
import { OWN_PATH } from '../http/own-names.js';
import type { EdgeRequest } from './edge-request.js';

/** Why a login did not succeed. */
const PROBLEMS = {
  wrong: [401, 'That was not right. Please try again.'],
  ended: [401, 'That login took too long, or was begun in another browser. Please log in again.'],
  too_many: [429, 'Too many wrong ones were tried. Please come back in an hour.'],
  busy: [503, 'Too many are logging in at the moment. Please try again in a few seconds.'],
  no_mail: [503, 'This server cannot send mail.'],
  no_address: [400, 'That is no e-mail address.'],
} as const satisfies Record<string, [status: number, text: string]>;
export type LoginProblem = keyof typeof PROBLEMS;

export interface LoginPage {
  organization: string | null;
  /** Where to go on afterwards. */
  to: string;
  problem?: LoginProblem;
  /** A code is being asked for, that was mailed to this address if it is listed. */
  mailedTo?: string;
  /** Of the dashboard: a form leads there. */
  dashboard: string;
  /** `Basic` is asked for as well. */
  challenge: boolean;
}

/** What is asked of who has shown nothing yet: a page for browsers, without any script. */
export function loginPage(
  { route, requestId, host }: EdgeRequest,
  page: LoginPage,
  cookies: string[] = [],
): EdgeAnswer {
  const { protection } = route.settings;
  const [status, problem] = page.problem
    ? PROBLEMS[page.problem]
    : [page.mailedTo === undefined ? 401 : 200, undefined];
  const content = [
    page.mailedTo === undefined
      ? `<p><code>${escaped(host)}</code> is open to those who have shown who they are.</p>`
      : `<p>If ${escaped(page.mailedTo)} may open <code>${escaped(host)}</code>, a code of eight digits is on its way to it. It is good for ten minutes, in this browser.</p>`,
  ];
  if (problem) content.push(`<p role="alert">${escaped(problem)}</p>`);
  if (page.mailedTo !== undefined) {
    content.push(
      form(
        'login/code',
        page.to,
        'Log in',
        field('Code', 'code', 'inputmode="numeric" autocomplete="one-time-code" maxlength="12"'),
        [['email', page.mailedTo]],
      ),
      `<p><a href="${OWN_PATH}login?to=${escaped(encodeURIComponent(page.to))}">Log in another way</a></p>`,
    );
  } else {
    if (protection.sso) content.push(form('sso', page.to, 'Log in with Gatehouse'));
    if (protection.password)
      content.push(
        form(
          'login/password',
          page.to,
          'Log in',
          field('Password', 'secret', 'type="password" autocomplete="current-password"'),
        ),
      );
    if (protection.pincode)
      content.push(
        form(
          'login/pincode',
          page.to,
          'Log in',
          field('PIN', 'secret', 'type="password" inputmode="numeric" autocomplete="off" maxlength="12"', 'pin'),
        ),
      );
    if (protection.whitelist)
      content.push(
        form(
          'login/email',
          page.to,
          'Mail me a code',
          field('E-mail address', 'email', 'type="email" autocomplete="email"'),
        ),
      );
    if (page.challenge) content.push('<p>Your browser can ask for a user name and a password as well.</p>');
  }
  return ownPage(status, requestId, 'Log in', page.organization, content, {
    formAction: `'self' ${page.dashboard}`,
    cookies,
    fields: page.challenge && status === 401 ? ['WWW-Authenticate', CHALLENGE] : [],
  });
}

/** What `Basic` is asked for with (RFC 7617). */
export const CHALLENGE = 'Basic realm="Log in", charset="UTF-8"';

/** Asks before it ends a session, since any page may lead here; afterwards says that it has. */
export const logoutPage = (request: EdgeRequest, organization: string | null, cookies?: string[]): EdgeAnswer =>
  ownPage(
    200,
    request.requestId,
    cookies ? 'You are logged out' : 'Log out?',
    organization,
    cookies
      ? [
          `<p>This browser has to log in again to open <code>${escaped(request.host)}</code>.</p>`,
          `<p><a href="${OWN_PATH}login">Log in</a></p>`,
        ]
      : [
          `<p>This browser then has to log in again to open <code>${escaped(request.host)}</code>.</p>`,
          form('logout', '/', 'Log out'),
        ],
    { formAction: "'self'", cookies: cookies ?? [], fields: [] },
  );

function ownPage(
  status: number,
  requestId: string,
  title: string,
  organization: string | null,
  content: string[],
  { formAction, cookies, fields }: { formAction: string; cookies: string[]; fields: string[] },
): EdgeAnswer {
  const body = Buffer.from(
    pageDocument(title, organization, content.join('\n'), `request <code>${escaped(requestId)}</code>`),
  );
  return {
    status,
    fields: [
      ...['Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(body.length)],
      ...['Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff', 'X-Request-Id', requestId],
      // Not `no-referrer`: with it a browser would not say whence a form was sent.
      ...['Content-Security-Policy', pagePolicy(formAction), 'Referrer-Policy', 'same-origin'],
      ...(status === 429 ? ['Retry-After', '3600'] : status === 503 ? ['Retry-After', '5'] : []),
      ...fields,
      ...cookies.flatMap((cookie) => ['Set-Cookie', cookie]),
    ],
    body,
  };
}

/** Goes on at an address of the host that asked, or at the dashboard. Nothing of it is kept, nor told to who comes next. */
export function redirect(status: 302 | 303, location: string, requestId: string, cookies: string[] = []): EdgeAnswer {
  return {
    status,
    fields: [
      ...['Location', location, 'Content-Length', '0', 'Cache-Control', 'no-store'],
      ...['Referrer-Policy', 'no-referrer', 'X-Request-Id', requestId],
      ...cookies.flatMap((cookie) => ['Set-Cookie', cookie]),
    ],
    body: Buffer.alloc(0),
  };
}

function form(action: string, to: string, button: string, fields = '', hidden: [string, string][] = []): string {
  const values = [['to', to] as [string, string], ...hidden].map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`,
  );
  return `<form method="post" action="${OWN_PATH}${action}">${values.join('')}${fields}<button>${button}</button></form>`;
}

const field = (label: string, name: string, attributes: string, id = name): string =>
  `<label for="${id}">${label}</label><input id="${id}" name="${name}" required ${attributes}>`;

import { hash } from 'node:crypto';

/** What the edge answers itself (the edge's contract, step 9). */
const ANSWERS = {
  bad_request: [400, 'This request cannot be read', 'The address or the request is not as it must be.'],
  unauthenticated: [401, 'You need to log in', 'This page is open to those who have shown who they are.'],
  forbidden: [403, 'You may not open this', 'The owner of this page has not let you in.'],
  unknown_host: [404, 'There is nothing here', 'No page is published at this address.'],
  not_found: [404, 'There is nothing here', 'No page is at this address.'],
  method_not_allowed: [405, 'This cannot be done here', 'The method of the request is not taken.'],
  uri_too_long: [414, 'This address is too long', 'The address of the request is longer than what is taken.'],
  too_many_fields: [
    431,
    'This request is too large',
    'The request has more fields than are taken. Deleting cookies may help.',
  ],
  refused: [502, 'The application did not answer', 'It refused the connection. It may be starting.'],
  bad_gateway: [502, 'The application did not answer well', 'What it answered cannot be passed on.'],
  site_offline: [503, 'The site is offline', 'The machine that serves this page is not connected.'],
  no_healthy_target: [503, 'The application is down', 'Nothing that could serve this page is in good health.'],
  maintenance: [503, 'Down for maintenance', 'This page is being worked on, and will be back.'],
  login_unavailable: [503, 'Logging in is not possible now', 'Please try again in a moment.'],
  stale: [503, 'This page is not available now', 'What is known of it is too old. Please try again in a moment.'],
  timeout: [504, 'The application took too long', 'It did not answer in time.'],
} as const satisfies Record<string, [status: number, title: string, message: string]>;

export type EdgeCode = keyof typeof ANSWERS;

/** What an organization says in its own words; texts of people, with line ends. */
export interface PageTexts {
  organization?: string | null;
  title?: string | null;
  message?: string | null;
  /** When it will be over, in words or as a time. */
  estimate?: string | null;
}

export interface EdgeAnswer {
  status: number;
  /** Names and values in turn. */
  fields: string[];
  body: Buffer;
}

/** The look of the dashboard (libs/dashboard/src/theme.ts), in both schemes. */
const STYLE = `
:root{color-scheme:light dark;--ground:#f8f9fb;--card:#fff;--text:#1c1f24;--dim:#495057;--line:#dee2e6;--accent:#2b68d4;--on:#fff;--bad:#c92a2a}
@media (prefers-color-scheme:dark){:root{--ground:#1f1f1f;--card:#2e2e2e;--text:#f1f3f5;--dim:#b8b8b8;--line:#424242;--accent:#8eb2ee;--on:#1f1f1f;--bad:#ff8787}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--text);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",Arial,sans-serif}
main{width:100%;max-width:32rem;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.3;font-weight:600;overflow-wrap:anywhere}
p{margin:0 0 .75rem;overflow-wrap:anywhere}
header{margin:0 0 1rem;color:var(--dim);font-weight:600;overflow-wrap:anywhere}
footer{margin-top:1.25rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--dim);font-size:.875rem}
form{margin:1.25rem 0 0}
label{display:block;margin:0 0 .25rem;font-weight:500}
input{width:100%;padding:.5rem .75rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--line);border-radius:.25rem}
button{width:100%;margin-top:.75rem;padding:.55rem 1rem;font:inherit;font-weight:600;color:var(--on);background:var(--accent);border:0;border-radius:.25rem;cursor:pointer}
a{color:var(--accent)}
input:focus-visible,button:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
[role=alert]{padding:.5rem .75rem;border-left:4px solid var(--bad);background:var(--ground)}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;overflow-wrap:anywhere}
`;

/** Nothing is loaded and nothing runs; the one style is this one. @param formAction where forms of the page lead, in the words of the policy */
export const pagePolicy = (formAction = "'none'"): string =>
  `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action ${formAction}; frame-ancestors 'none'`;
const STYLE_HASH = hash('sha256', STYLE, 'base64');
const POLICY = pagePolicy();

/** Whether an answer of ours is a page: for a browser that looks at an address. Others get JSON. */
export function wantsPage(method: string, accept: string | undefined): boolean {
  return (
    (method === 'GET' || method === 'HEAD') && accept !== undefined && /(?:^|[,\s])text\/html(?:[;,\s]|$)/i.test(accept)
  );
}

/**
 * @param page for a browser; else JSON
 * @param texts take the place of ours
 * @param now for the seconds until an estimate that is a time
 */
export function edgeAnswer(
  code: EdgeCode,
  requestId: string,
  page: boolean,
  texts: PageTexts = {},
  now: number = Date.now(),
): EdgeAnswer {
  const [status, usualTitle, usualMessage] = ANSWERS[code];
  const title = texts.title || usualTitle;
  const message = texts.message || usualMessage;
  const body = page
    ? Buffer.from(pageOf(code, requestId, title, message, texts))
    : Buffer.from(
        JSON.stringify({ status, code, message: texts.message ? `${title}: ${message}` : message, requestId }),
      );
  const fields = [
    'Content-Type',
    page ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    'X-Request-Id',
    requestId,
  ];
  if (page) fields.push('Content-Security-Policy', POLICY, 'Referrer-Policy', 'no-referrer');
  const seconds = texts.estimate ? secondsUntil(texts.estimate, now) : undefined;
  if (seconds !== undefined && status === 503) fields.push('Retry-After', String(seconds));
  return { status, fields, body };
}

function pageOf(
  code: string,
  requestId: string,
  title: string,
  message: string,
  { organization, estimate }: PageTexts,
): string {
  const paragraphs = message.split(/\n\s*\n/).map((text) => `<p>${escaped(text.trim()).replaceAll('\n', '<br>')}</p>`);
  if (estimate) paragraphs.push(`<p>Expected to be over: ${escaped(estimate)}</p>`);
  const footer = `<code>${escaped(code)}</code> · request <code>${escaped(requestId)}</code>`;
  return pageDocument(title, organization, paragraphs.join('\n'), footer);
}

/** A page in the one look. @param content and footer are HTML; the others text */
export function pageDocument(
  title: string,
  organization: string | null | undefined,
  content: string,
  footer: string,
): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<title>${escaped(title)}</title><style>${STYLE}</style></head>
<body><main>${organization ? `<header>${escaped(organization)}</header>` : ''}
<h1>${escaped(title)}</h1>
${content}
<footer>${footer}</footer></main></body></html>
`;
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
/** As text or as the value of an attribute in HTML. */
export const escaped = (text: string) => text.replace(/[&<>"']/g, (char) => ESCAPES[char]!);

/** Of a date of ISO 8601 with a time, which is UTC where it names no zone; undefined for other words and for what is over. */
function secondsUntil(estimate: string, now: number): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|UTC|[+-]\d\d:\d\d)?$/i.exec(estimate.trim());
  if (!match) return undefined;
  const zone = match[3] === undefined || /^utc$/i.test(match[3]) ? 'Z' : match[3];
  const seconds = Math.ceil((Date.parse(`${match[1]}T${match[2]}${zone}`) - now) / 1000);
  return seconds > 0 ? seconds : undefined;
}

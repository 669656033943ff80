import { type IntRule, NICE_ID_RULE, type TextRule } from '#contracts';
import {
  isAlias,
  isEmail,
  isFullDomain,
  isHeaderName,
  isHeaderValue,
  isHostHeader,
  isHostName,
  isPortRanges,
  isTargetHost,
} from './syntax.js';

/**
 * The one rule of each field that the API and documents share (docs/adr/0038): DTOs and readers of documents take it from here, so that
 * what one of them took the other takes too, in the same form.
 */

const NAME: TextRule = { max: 255, name: true };
const TARGET_HOST: TextRule = { min: 1, max: 253, form: [isTargetHost, 'an IP address or a host name'] };
const PATH: TextRule = { max: 2048, empty: 'null' };
const WORD: TextRule = { max: 64, empty: 'null' };
const PASSWORD: TextRule = { min: 4, max: 100, secret: true };
const PORT_RANGES: TextRule = {
  max: 1024,
  form: [isPortRanges, '"*", "" or ports and ranges such as "22,8000-8010"'],
  normal: (text) => text.replaceAll(' ', ''),
};

const lower = (text: string) => text.toLowerCase();

/** An e-mail address, or `*@domain` for everybody there. */
const isAllowedEmail = (text: string) =>
  text.startsWith('*@') ? isHostName(text.slice(2)) && text.includes('.') : isEmail(text);

export const TEXTS = {
  niceId: NICE_ID_RULE,
  name: NAME,
  fullDomain: {
    empty: 'null',
    max: 253,
    form: [isFullDomain, 'a host name such as app.example.com, or *.apps.example.com'],
    normal: lower,
  },
  hostHeader: { max: 300, form: [isHostHeader, 'a host, or host:port'], empty: 'null' },
  tlsServerName: { max: 253, form: [isHostName, 'a host name'], empty: 'null' },
  headerName: { min: 1, max: 256, form: [isHeaderName, 'the name of a header'] },
  // Nothing is a value: it is how proxies are told to send none.
  headerValue: { lines: true, form: [isHeaderValue, 'printable ASCII without {{…}}'], secret: true },
  maintenanceTitle: { max: 255, name: true, empty: 'null' },
  maintenanceMessage: { max: 2000, lines: true, empty: 'null' },
  maintenanceEstimatedTime: { max: 100, empty: 'null' },
  pincode: { form: [(text) => /^\d{6}$/.test(text), 'six digits'], secret: true },
  password: PASSWORD,
  basicAuthUser: { min: 1, max: 100, form: [(text) => !text.includes(':'), 'a name without a colon'] },
  basicAuthPassword: PASSWORD,
  whitelistEmail: { min: 1, max: 254, form: [isAllowedEmail, 'an e-mail address, or *@domain'], normal: lower },
  targetHost: TARGET_HOST,
  path: PATH,
  rewritePath: PATH,
  healthHost: { ...TARGET_HOST, empty: 'null' },
  healthPath: { min: 1, max: 2048 },
  healthScheme: WORD,
  healthMode: WORD,
  healthMethod: { min: 1, max: 32 },
  destination: { min: 1, max: 255 },
  alias: {
    max: 253,
    form: [isAlias, 'a name with a dot, such as db.internal or *.db.internal'],
    empty: 'null',
    normal: lower,
  },
  portRanges: PORT_RANGES,
} as const satisfies Record<string, TextRule>;

const PORT: IntRule = { min: 1, max: 65_535 };
const MAX_INT = 2_147_483_647;
const COUNT: IntRule = { min: 1, max: MAX_INT };

export const INTS = {
  port: PORT,
  proxyProtocolVersion: { min: 1, max: 2 },
  rulePriority: { min: -MAX_INT, max: MAX_INT },
  targetPriority: { min: 1, max: 1000 },
  seconds: COUNT,
  threshold: COUNT,
  responseTimeout: { min: 1, max: 3600 },
  staleSeconds: { min: 0, max: 86_400 },
  // 0 is any of 2xx.
  healthStatus: { min: 0, max: 599 },
} as const satisfies Record<string, IntRule>;

export const CHOICES = {
  scheme: ['http', 'https'],
  method: ['http', 'https', 'h2c'],
  pathMatch: ['exact', 'prefix', 'regex'],
  rewriteMatch: ['exact', 'prefix', 'regex', 'stripPrefix'],
  maintenanceType: ['forced', 'automatic'],
} as const;

export const MAX_HEADERS = 100;
/** Where a resource does not say. */
export const RESPONSE_TIMEOUT_SECONDS = 60;

// @ts-check
// The variables as they are given, and all that is wrong with them. Plain Node, since `npm start` asks before anything is installed.
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
// Past the library's index, which is no plain Node.
import { editDistance } from '../../contracts/nearest.mjs';
import { AGENT_VARIABLES, VARIABLES } from './variables.mjs';

/**
 * @typedef {Record<string, string | undefined>} Env
 * @typedef {keyof typeof VARIABLES} VariableName
 * @typedef {{ variables: Env, problems: string[], hints: string[] }} Environment
 */

/**
 * The environment and, for what it leaves unset, `.env` in `cwd`: the variables; in sentences, all for which a server will not start with them;
 * and as hints, names that may be mistyped but that others than we may have meant.
 *
 * @param {Env} env
 * @param {string} cwd
 * @returns {Environment}
 */
export function readEnvironment(env, cwd) {
  const file = resolve(cwd, '.env');
  const unreadable = existsSync(file) ? unreadableFile('.env', file) : [];
  const written = existsSync(file) && unreadable.length === 0 ? parseEnv(readFileSync(file, 'utf8')) : {};
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  /** @type {Env} */
  const variables = { ...written, ...given };
  const mistyped = mistypedNames(Object.keys(written), variables).map(
    ([name, known]) => `${name} in .env is not a variable of Gatehouse; did you mean ${known}?`,
  );
  const hints = mistypedNames(Object.keys(given).filter(looksLikeOurs), variables).map(
    ([name, known]) => `${name} in the environment is not a variable of Gatehouse; did you mean ${known}?`,
  );
  hints.push(...sharedDomain(textOf(variables, 'PUBLIC_URL'), textOf(variables, 'BASE_DOMAIN')));
  const files = /** @type {const} */ ([
    'TLS_CERT_FILE',
    'TLS_KEY_FILE',
    'CLIENT_CERT_SECRET_FILE',
    'GEOIP_DB',
    'GEOIP_ASN_DB',
  ]).flatMap((name) => {
    const value = textOf(variables, name);
    if (value === '') return [];
    const unread = unreadableFile(name, resolve(cwd, value));
    return unread.length > 0 || name !== 'CLIENT_CERT_SECRET_FILE' ? unread : shortSecret(name, resolve(cwd, value));
  });
  return { variables, problems: [...unreadable, ...mistyped, ...problemsOf(variables), ...files], hints };
}

/**
 * Applications on the dashboard's registrable domain can set cookies that reach it, and count as the same site (docs/edge-access.md). Which
 * domains are registrable is guessed: two labels, three below such as `co.uk`.
 *
 * @param {string} publicUrl
 * @param {string} baseDomain
 */
function sharedDomain(publicUrl, baseDomain) {
  if (!URL.canParse(publicUrl) || baseDomain === '') return [];
  const dashboard = new URL(publicUrl).hostname;
  if (isIP(dashboard)) return [];
  const [ours, theirs] = [dashboard, baseDomain.toLowerCase()].map((name) => {
    const labels = name.split('.');
    return labels.slice(/^(?:com?|net|org|gov|ac|edu)\.\w\w$/.test(labels.slice(-2).join('.')) ? -3 : -2).join('.');
  });
  if (ours !== theirs || !ours?.includes('.') || ours.endsWith('.localhost')) return [];
  return [
    `The dashboard (PUBLIC_URL) and resources (BASE_DOMAIN) are both on ${ours}: what is published there can set cookies for the dashboard. Give it a domain of its own.`,
  ];
}

/**
 * What is set, else what unset means.
 *
 * @param {Env} variables
 * @param {VariableName} name
 */
export const textOf = (variables, name) => variables[name]?.trim() || VARIABLES[name].fallback;

/**
 * Every wrong value, and every pair that does not go together, each in a sentence that names the variable.
 *
 * @param {Env} variables
 * @returns {string[]}
 */
export function problemsOf(variables) {
  const names = /** @type {VariableName[]} */ (Object.keys(VARIABLES));
  /** @type {(name: VariableName) => string} */
  const text = (name) => textOf(variables, name);
  const values = names.flatMap((name) => {
    const { rule } = /** @type {import('./variables.mjs').Variable} */ (VARIABLES[name]);
    const value = text(name);
    return (value !== '' && rule?.(value, name)) || [];
  });
  /** @type {(one: VariableName, other: VariableName, what: string) => string[]} */
  const pair = (one, other, what) => {
    const [set, unset] = text(one) ? [one, other] : [other, one];
    return text(one) === '' && text(other) === ''
      ? []
      : text(unset)
        ? []
        : [`${set} is set but ${unset} is not; ${what} needs both.`];
  };
  /** @type {(one: VariableName, other: VariableName) => string[]} */
  const differ = (one, other) =>
    Number(text(one)) > 0 && Number(text(one)) === Number(text(other))
      ? [`${one} must differ from ${other}, both are ${text(other)}.`]
      : [];
  return [
    ...unknownNames(variables),
    ...values,
    ...pair('TLS_CERT_FILE', 'TLS_KEY_FILE', 'HTTPS'),
    ...pair('CLIENT_CERT_FROM', 'CLIENT_CERT_SECRET_FILE', 'Client-Cert'),
    ...pair('SMTP_URL', 'MAIL_FROM', 'mail'),
    ...pair('EDGE_TLS_PORT', 'EDGE_CERT_DIR', 'TLS at the edge'),
    ...(text('DEVICE_TLS_PORT') && !text('TLS_CERT_FILE')
      ? ['DEVICE_TLS_PORT is set but TLS_CERT_FILE is not; TLS needs a certificate.']
      : []),
    ...(text('MTLS_ON_MAIN_PORT') === 'true' && !text('TLS_CERT_FILE')
      ? ['MTLS_ON_MAIN_PORT is true but TLS_CERT_FILE is not set; client certificates need HTTPS on PORT.']
      : []),
    ...(text('DEVICE_TLS_NAME') && text('MTLS_ON_MAIN_PORT') !== 'true'
      ? ['DEVICE_TLS_NAME is set but MTLS_ON_MAIN_PORT is not true; nobody would be asked for a certificate.']
      : []),
    ...differ('METRICS_PORT', 'PORT'),
    ...differ('DEVICE_TLS_PORT', 'PORT'),
    ...differ('METRICS_PORT', 'DEVICE_TLS_PORT'),
    ...differ('EDGE_TLS_PORT', 'PORT'),
    ...differ('EDGE_TLS_PORT', 'EDGE_PORT'),
    ...differ('INTERNAL_PORT', 'PORT'),
    ...differ('INTERNAL_PORT', 'EDGE_PORT'),
    ...(variables['EDGE_PORT']?.trim()
      ? [
          ...differ('EDGE_PORT', 'PORT'),
          ...differ('EDGE_PORT', 'DEVICE_TLS_PORT'),
          ...differ('EDGE_PORT', 'METRICS_PORT'),
        ]
      : []),
    ...(text('MASTER_KEY_PREVIOUS') && !text('MASTER_KEY')
      ? ['MASTER_KEY_PREVIOUS is set but MASTER_KEY is not.']
      : []),
    ...(text('MASTER_KEY') && text('MASTER_KEY') === text('MASTER_KEY_PREVIOUS')
      ? ['MASTER_KEY and MASTER_KEY_PREVIOUS are the same.']
      : []),
    ...(text('DATABASE_URL') && !text('MASTER_KEY')
      ? [
          'MASTER_KEY is required with DATABASE_URL: the one that the database was set up with or, for a new database, one made with `openssl rand -base64 32`; keep it.',
        ]
      : []),
  ];
}

/**
 * Several problems as one message: each is a sentence of its own.
 *
 * @param {string[]} problems
 */
export const asMessage = (problems) =>
  problems.length === 1
    ? /** @type {string} */ (problems[0])
    : [`${problems.length} settings are wrong:`, ...problems.map((problem) => `  ${problem}`)].join('\n');

/** Names with our prefix are meant for us. @type {(variables: Env) => string[]} */
function unknownNames(variables) {
  return Object.keys(variables)
    .filter((name) => name.startsWith('GATEHOUSE_') && !AGENT_VARIABLES.has(name))
    .map((name) => {
      const known = nearest(name.slice('GATEHOUSE_'.length)) ?? nearest(name);
      return `${name} is not a variable of Gatehouse; ${known ? `did you mean ${known}?` : '.env.example lists them all.'}`;
    });
}

/**
 * Names close to a known one that is not set itself.
 *
 * @param {string[]} names
 * @param {Env} variables
 */
function mistypedNames(names, variables) {
  return names.flatMap((name) => {
    if (isKnown(name) || name.startsWith('GATEHOUSE_')) return [];
    const known = nearest(name);
    return known === undefined || variables[known] ? [] : [/** @type {const} */ ([name, known])];
  });
}

/** @type {(name: string) => boolean} */
const isKnown = (name) => Object.hasOwn(VARIABLES, name) || AGENT_VARIABLES.has(name);

const FIRST_WORDS = new Set(
  Object.keys(VARIABLES).flatMap((name) => (name.includes('_') ? name.slice(0, name.indexOf('_') + 1) : [])),
);

/** An environment has names of everybody's: only those that begin as ours do are looked at. @type {(name: string) => boolean} */
const looksLikeOurs = (name) => FIRST_WORDS.has(name.slice(0, name.indexOf('_') + 1));

/**
 * The known name that a name is most like, whatever its case. Two letters at most: a start is refused for it, and names may be somebody else's.
 *
 * @param {string} name
 */
function nearest(name) {
  const upper = name.toUpperCase();
  return [...Object.keys(VARIABLES), ...AGENT_VARIABLES]
    .map((known) => ({ known, distance: editDistance(upper, known) }))
    .filter(({ known, distance }) => distance <= (known.length > 6 ? 2 : 1))
    .sort((a, b) => a.distance - b.distance)[0]?.known;
}

/** What a header holds. @type {(name: string, file: string) => string[]} */
const shortSecret = (name, file) =>
  /^[\x21-\x7e]{32,512}$/.test(readFileSync(file, 'utf8').trim())
    ? []
    : [`${name}: ${file} must hold 32 to 512 characters without spaces, as \`openssl rand -hex 32\` prints them.`];

/**
 * @param {string} name
 * @param {string} file
 * @returns {string[]}
 */
function unreadableFile(name, file) {
  try {
    readFileSync(file);
    return [];
  } catch (error) {
    return [`${name}: ${file} cannot be read (${/** @type {NodeJS.ErrnoException} */ (error).code ?? 'unknown'}).`];
  }
}

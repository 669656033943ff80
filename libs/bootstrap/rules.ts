import { INSTANCE_LIMITS, type IntRule, nameKey, type TextRule } from '#contracts';
import { shown } from '#document';
import { reservedBecause } from './reserved-variables.js';

/** The rules of single values: a document is saved by them, and the agent asks them again before it writes a byte. */

export const BOOTSTRAP_LIMITS = {
  variables: 512,
  files: 256,
  dependencies: INSTANCE_LIMITS.dependencies,
  filters: 8,
  /** `NAME=value` with its end, as Linux hands one to a program (MAX_ARG_STRLEN). */
  variableBytes: 128 * 1024,
  url: 2048,
} as const;

/** Where the agent writes `config`, below the bundle's folder. */
export const CONFIG_PATH = 'gatehouse-config.json';

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_PATH = 512;
const MAX_SEGMENTS = 16;
const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** Why a text cannot be written or handed to a program, whatever it is for. */
export const textProblem = (text: string): string | undefined =>
  LONE_SURROGATE.test(text) ? 'must not hold halves of characters' : undefined;

export function variableProblem(name: string): string | undefined {
  if (!VARIABLE.test(name) || name.length > 255)
    return `${shown(name)} is not the name of a variable: letters, digits and "_", not beginning with a digit`;
  const why = reservedBecause(name);
  return why && `${name} is reserved: it ${why}`;
}

/** What of the agent's environment a document may ask for. */
export function wantedVariableProblem(name: string): string | undefined {
  if (!VARIABLE.test(name) || name.length > 255) return `${shown(name)} is not the name of a variable`;
  return /^gatehouse_/i.test(name) ? `${name} is the agent's own` : undefined;
}

export function variableValueProblem(name: string, value: string): string | undefined {
  if (value.includes('\0')) return 'must not hold the character U+0000';
  const bytes = bytesOf(name) + bytesOf(value) + 2;
  return bytes > BOOTSTRAP_LIMITS.variableBytes
    ? `a variable with its value may have ${BOOTSTRAP_LIMITS.variableBytes} bytes, not ${bytes}`
    : undefined;
}

/** A path below the bundle's folder that means the same on every system. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'must not be empty';
  if (path.length > MAX_PATH) return `must have at most ${MAX_PATH} characters`;
  if (textProblem(path) || /[\u0000-\u001f\u007f-\u009f]/.test(path)) return 'must not hold control characters';
  if (path.startsWith('/')) return 'must not be absolute: it is below the folder of the bundle';
  if (/[\\:]/.test(path)) return 'must be written with "/" alone, without "\\" and ":"';
  const segments = path.split('/');
  if (segments.length > MAX_SEGMENTS) return `must have at most ${MAX_SEGMENTS} parts`;
  if (segments.some((one) => one === '' || one === '.' || one === '..'))
    return 'must not leave the folder of the bundle: without empty parts, "." and ".."';
  if (segments.some((one) => /[. ]$|^ /.test(one)))
    return 'must not have parts that end in "." or begin or end with a space: some systems drop them';
  if (segments.some((one) => bytesOf(one) > 255)) return 'must have parts of at most 255 bytes';
  const [first, ...rest] = pathKey(path).split('/');
  if (first === 'current') return '"current" is the agent\'s own';
  if (rest.length === 0 && first === CONFIG_PATH) return `"${CONFIG_PATH}" is where the agent writes config`;
  return undefined;
}

/** The same for paths that some file system takes for one: case, normal form, width and what cannot be seen do not count. */
export const pathKey = (path: string): string => path.split('/').map(nameKey).join('/');

/**
 * Paths that cannot stand in one folder: the same twice, or one that is a folder of another.
 * @returns for each path in turn the problem with it, or undefined
 */
export function pathConflicts(paths: readonly string[]): (string | undefined)[] {
  const taken = new Map<string, string>();
  const folders = new Map<string, string>();
  return paths.map((path) => {
    const key = pathKey(path);
    const above = key.split('/').map((_, i, parts) => parts.slice(0, i).join('/'));
    const same = taken.get(key);
    const inside = folders.get(key);
    const below = above.map((folder) => taken.get(folder)).find((one) => one !== undefined);
    if (!same) taken.set(key, path);
    for (const folder of above) if (folder && !folders.has(folder)) folders.set(folder, path);
    if (same !== undefined) return same === path ? 'is given twice' : `is the same as ${shown(same)} on some systems`;
    if (inside !== undefined) return `is a folder of ${shown(inside)}`;
    return below === undefined ? undefined : `is below ${shown(below)}, which is a file`;
  });
}

/** A URL that is fetched: http or https, without credentials. */
export function urlProblem(url: string): string | undefined {
  if (url.length > BOOTSTRAP_LIMITS.url) return `must have at most ${BOOTSTRAP_LIMITS.url} characters`;
  if (!/^https?:\/\//i.test(url)) return 'must begin with https:// or http://';
  if (!/^[\x21-\x7e]+$/.test(url) || url.includes('\\'))
    return 'must be of printable ASCII without spaces and "\\": a template may need | uri';
  if (!URL.canParse(url)) return 'must be a URL';
  // An empty user is no user to the parser.
  const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1] ?? '';
  return authority.includes('@') ? 'must not hold a user or password' : undefined;
}

const MODE: TextRule = {
  form: [(text) => /^0[4-7][04]0$/.test(text), 'a mode such as "0400" or "0750": 0, then 4-7, then 0 or 4, then 0'],
};

export const TEXTS = {
  mode: MODE,
  name: {
    form: [
      (text) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text),
      'a name of 1-64 letters, digits, ".", "_" and "-"',
    ],
  },
  sha256: {
    form: [(text) => /^[0-9a-fA-F]{64}$/.test(text), 'a SHA-256 digest: 64 hexadecimal digits'],
    normal: (text) => text.toLowerCase(),
  },
} as const satisfies Record<string, TextRule>;

const DAY = 86_400;

export const INTS = {
  /** Up to a tebibyte. */
  size: { min: 0, max: 2 ** 40 },
  afterSeconds: { min: 0, max: DAY },
  readyTimeoutSeconds: { min: 1, max: DAY },
  stopGraceSeconds: { min: 0, max: DAY },
  offlineGraceSeconds: { min: 0, max: INSTANCE_LIMITS.offlineGraceSeconds },
} as const satisfies Record<string, IntRule>;

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'].map(
  (name) => `signal:${name}` as const,
);

export const CHOICES = {
  onChange: ['restart', 'hold', ...SIGNALS],
  onRevoke: ['stop', 'ignore', ...SIGNALS],
  onExpire: ['keep', 'stop'],
} as const;

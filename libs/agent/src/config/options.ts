import { misconfigured } from '../cli/exit-codes.js';
import { LOG_LEVELS, type LogLevel } from '../log.js';
import { readAllowed } from '../tunnel/allowed.js';
import type { FileContent } from './config-file.js';
import { SETTINGS, type Setting, type SettingSource, type Settings, type SettingValue } from './settings.js';
import { withoutLineEnd } from './text.js';

export type Resolved = {
  settings: Settings;
  /** Every setting with where it came from, in the order of the table. */
  all: { setting: Setting; value: SettingValue; sources: SettingSource[] }[];
};

/**
 * Applies the precedence CLI > environment > file > default (docs/newt.md §1.1). An empty environment variable is unset; in file and
 * on the command line an explicit empty value counts. CA files of all sources are put together.
 */
export function resolveSettings(
  cli: ReadonlyMap<string, SettingValue>,
  env: NodeJS.ProcessEnv,
  file: FileContent,
): Resolved {
  const environment = withTlsShorthand(env);
  const all = SETTINGS.map((setting) => {
    const values: [SettingSource, SettingValue | undefined][] = [
      ['cli', trimmed(cli.get(setting.key))],
      ['env', fromEnvironment(setting, environment)],
      ['file', fromFile(setting, file)],
    ];
    const given = values.filter((entry): entry is [SettingSource, SettingValue] => entry[1] !== undefined);
    if (setting.kind === 'list' && given.length > 0) {
      const value = given.toReversed().flatMap(([, list]) => (Array.isArray(list) ? list : []));
      return { setting, value, sources: given.map(([source]) => source).toReversed() };
    }
    const [source, value] = given[0] ?? (['default', setting.fallback] as const);
    return { setting, value, sources: [source] };
  });
  const values = Object.fromEntries(all.map(({ setting, value }) => [setting.key, value]));
  return { settings: values as Settings, all };
}

export const NO_ENDPOINT = 'no endpoint: give --endpoint, PANGOLIN_ENDPOINT or `endpoint` in the config file';

/**
 * Checks what can be checked before anything is sent.
 * @throws AgentExit 78 with one sentence per mistake
 */
export function checkSettings(settings: Settings): void {
  if (settings.endpoint === '') throw misconfigured(NO_ENDPOINT);
  const { protocol } = endpointUrl(settings.endpoint);
  readAllowed(settings.allow);
  if (settings.credential !== 'newt' && settings.credential !== 'certificate')
    throw misconfigured(`--credential ${settings.credential} is neither newt nor certificate`);
  if (settings.credential === 'newt') return;
  if (protocol !== 'https:')
    throw misconfigured('a certificate needs an endpoint with https://, which is the DEVICE_TLS_PORT of the server');
  if (settings.tlsClientCertFile !== '' || settings.tlsClientCert !== '')
    throw misconfigured(
      'give either --credential certificate or a client certificate of your own (--tls-client-cert-file, --tls-client-cert)',
    );
}

/** @throws AgentExit 78 */
export function endpointUrl(endpoint: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(endpoint);
  } catch {
    // said below
  }
  if (!url || !/^https?:$/.test(url.protocol))
    throw misconfigured(`the endpoint '${endpoint}' is not a URL that starts with http:// or https://`);
  if (url.username || url.password || url.search || url.hash)
    throw misconfigured('the endpoint must be a plain URL, without user, query or fragment');
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

/** The level that a setting names, in any case, `warning` too. Any other word is INFO, as a newt takes it, and is warned about. */
export function logLevel(value: string): LogLevel {
  return levelNamed(value) ?? 'INFO';
}

function levelNamed(value: string): LogLevel | undefined {
  const name = value.trim().toUpperCase();
  return name === 'WARNING' ? 'WARN' : LOG_LEVELS.find((known) => known === name);
}

/**
 * Sentences about settings that are accepted without effect, or with another than may be meant.
 * @param env what the settings were resolved from
 */
export function warningsAbout(resolved: Resolved, env: NodeJS.ProcessEnv): string[] {
  const given = (use: Setting['use']) =>
    resolved.all
      .filter((one) => one.setting.use === use && one.sources[0] !== 'default')
      .map(({ setting, sources }) => nameIn(setting, sources[0]));
  // Every other container has a PORT, and templates may use it.
  const wireguard = given('wireguard').filter((name) => name !== 'PORT');
  return [
    ...given('later').map((name) => `${name} is not available yet and has no effect in this version`),
    ...(wireguard.length > 0
      ? [`only meaningful with a WireGuard tunnel, without effect here: ${wireguard.join(', ')}`]
      : []),
    ...unclearBooleans(resolved, env),
    ...(levelNamed(resolved.settings.logLevel) === undefined
      ? [`the log level '${resolved.settings.logLevel}' is none of ${LOG_LEVELS.join(', ')}; it is INFO`]
      : []),
  ];
}

/** `X=1` is false, as a newt takes it: who wrote it meant something else. */
function unclearBooleans({ all }: Resolved, env: NodeJS.ProcessEnv): string[] {
  return all.flatMap(({ setting, sources }) => {
    const value = setting.env === undefined ? '' : (env[setting.env] ?? '');
    const read = setting.kind === 'boolean' && setting.use === 'used' && sources[0] === 'env';
    if (!read || value === 'true' || FALSE.test(value)) return [];
    return [`${setting.env}=${value} counts as false: only \`true\` switches it on`];
  });
}

function nameIn(setting: Setting, source: SettingSource | undefined): string {
  if (source === 'cli') return `--${setting.flag}`;
  return source === 'env' ? String(setting.env) : `\`${setting.key}\` in the config file`;
}

const FALSE = /^(0|f|false|n|no|off)$/i;

function trimmed(value: SettingValue | undefined): SettingValue | undefined {
  if (typeof value === 'string') return withoutLineEnd(value);
  return Array.isArray(value) ? value.map(withoutLineEnd) : value;
}

function fromEnvironment(setting: Setting, env: NodeJS.ProcessEnv): SettingValue | undefined {
  const value = setting.env === undefined ? undefined : env[setting.env];
  if (value === undefined || value === '') return undefined;
  if (setting.kind === 'boolean') return value === 'true';
  return setting.kind === 'list' ? splitList(value) : value;
}

function fromFile(setting: Setting, file: FileContent): SettingValue | undefined {
  const value = setting.notInFile ? undefined : file[setting.key];
  if (typeof value === 'number') return String(value);
  return value === null ? undefined : trimmed(value as SettingValue | undefined);
}

/** newt reads a lone `TLS_CLIENT_CERT`, without key and CA, as the PKCS12 file (docs/newt.md §1.3). */
function withTlsShorthand(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const {
    TLS_CLIENT_CERT: certificate,
    TLS_CLIENT_KEY: key,
    TLS_CLIENT_CAS: cas,
    TLS_CLIENT_CERT_PKCS12: pkcs12,
    ...rest
  } = env;
  return certificate && !key && !cas && !pkcs12 ? { ...rest, TLS_CLIENT_CERT_PKCS12: certificate } : env;
}

function splitList(value: string): string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

export type SuggestingKind = 'blueprint' | 'bootstrap';

const HEALTH_CHECK = [
  'hostname',
  'port',
  'enabled',
  'path',
  'scheme',
  'mode',
  'interval',
  'unhealthy-interval',
  'timeout',
  'headers',
  'follow-redirects',
  'method',
  'status',
  'healthy-threshold',
  'unhealthy-threshold',
];

/** Keys by where they stand; `*` is a name that the author gives. Items of a list stand where the list does (docs/blueprints.md, docs/instances.md). */
export const KEYS: Record<SuggestingKind, Record<string, readonly string[]>> = {
  blueprint: {
    '': ['public-resources', 'private-resources', 'sites'],
    'public-resources.*': [
      'name',
      'mode',
      'full-domain',
      'proxy-port',
      'enabled',
      'ssl',
      'proxy-protocol',
      'proxy-protocol-version',
      'host-header',
      'tls-server-name',
      'response-timeout-seconds',
      'stale-seconds',
      'headers',
      'targets',
      'auth',
      'rules',
      'apply-rules',
      'maintenance',
      'sites-may-add-targets',
    ],
    'public-resources.*.targets': [
      'site',
      'hostname',
      'port',
      'method',
      'insecure-tls',
      'enabled',
      'path',
      'path-match',
      'rewrite-path',
      'rewrite-match',
      'priority',
      'healthcheck',
    ],
    'public-resources.*.targets.healthcheck': HEALTH_CHECK,
    'public-resources.*.headers': ['name', 'value'],
    'public-resources.*.auth': [
      'pincode',
      'password',
      'basic-auth',
      'sso-enabled',
      'sso-roles',
      'sso-users',
      'whitelist-users',
      'whitelist-enabled',
    ],
    'public-resources.*.auth.basic-auth': ['user', 'password', 'extendedCompatibility'],
    'public-resources.*.rules': ['action', 'match', 'value', 'priority', 'enabled'],
    'public-resources.*.maintenance': ['enabled', 'type', 'title', 'message', 'estimated-time'],
    'public-resources.*.sites-may-add-targets': ['sites', 'labels'],
    'private-resources.*': [
      'name',
      'mode',
      'destination',
      'site',
      'sites',
      'tcp-ports',
      'udp-ports',
      'disable-icmp',
      'alias',
      'full-domain',
      'scheme',
      'destination-port',
      'ssl',
      'enabled',
      'roles',
      'users',
      'machines',
    ],
    'sites.*': ['name', 'docker-socket-enabled'],
  },
  bootstrap: {
    '': ['env', 'files', 'config', 'dependencies', 'run'],
    files: ['path', 'mode', 'content'],
    dependencies: ['name', 'url', 'sha256', 'size', 'path', 'mode'],
    run: [
      'onChange',
      'onRevoke',
      'onExpire',
      'ready',
      'readyTimeoutSeconds',
      'stopGraceSeconds',
      'offlineGraceSeconds',
    ],
    'run.ready': ['afterSeconds', 'http', 'file'],
  },
};

const indentOf = (line: string): number => /^[\s]*(?:- )?/.exec(line)![0].length;

/**
 * What may be written at a place, by the lines above it: those that are indented less say where it is.
 * @param lead what the line begins with, before the word: spaces, or the dash of an item
 */
export function keysAt(kind: SuggestingKind, above: readonly string[], lead: string): readonly string[] {
  const path: string[] = [];
  let indent = lead.length;
  for (const line of [...above].reverse()) {
    if (indent === 0) break;
    const [, begin, key, value] = /^(\s*(?:- )?)["']?([^\s"':#][^"':]*)["']?:(.*)$/.exec(line) ?? [];
    if (begin === undefined || indentOf(line) >= indent) continue;
    // A key with a value holds no others.
    if (value!.trim() !== '' && !value!.trim().startsWith('#')) {
      // The first key of an item stands behind its dash: its list is further out.
      if (!begin.includes('-')) return [];
      indent = begin.indexOf('-');
      continue;
    }
    path.unshift(key!);
    indent = begin.includes('-') ? begin.indexOf('-') : begin.length;
  }
  const places = KEYS[kind];
  const place = Object.keys(places).find((pattern) => {
    const steps = pattern === '' ? [] : pattern.split('.');
    return steps.length === path.length && steps.every((step, index) => step === '*' || step === path[index]);
  });
  return place === undefined ? [] : places[place]!;
}

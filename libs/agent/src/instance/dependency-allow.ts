import { misconfigured } from '../cli/exit-codes.js';

type Pattern = { protocol?: string; host: string; port?: string; path: string };

/** Where dependencies may come from, as the operator of this machine says it (`--dependency-allow`, docs/instances.md §7.1). */
export class DependencyAllow {
  private readonly patterns: readonly Pattern[];

  /**
   * @param patterns each a host (`files.example.com`, `*.example.com`, with a port if need be) or the beginning of a URL
   *   (`https://files.example.com/models/`); without any, every host is allowed
   * @throws AgentExit 78 for one that is neither
   */
  constructor(patterns: readonly string[]) {
    this.patterns = patterns.map(parse);
  }

  allows(url: URL): boolean {
    return this.patterns.length === 0 || this.patterns.some((pattern) => matches(pattern, url));
  }
}

function parse(text: string): Pattern {
  const isUrl = text.includes('://');
  const given = isUrl ? text : `http://${text}`;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const usable =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    /^(\*\.)?[^*]+$/.test(url.hostname) &&
    url.username + url.password + url.search + url.hash === '' &&
    (isUrl || !text.includes('/'));
  if (!usable)
    throw misconfigured(
      `--dependency-allow ${text} is neither a host (files.example.com, *.example.com, host:8443) nor the beginning of a URL (https://host/folder/)`,
    );
  if (isUrl) return { protocol: url.protocol, host: url.hostname, port: portOf(url), path: url.pathname };
  const [, port] = /:(\d+)$/.exec(text) ?? [];
  return { host: url.hostname, ...(port === undefined ? {} : { port }), path: '/' };
}

function matches({ protocol, host, port, path }: Pattern, url: URL): boolean {
  if (protocol !== undefined && protocol !== url.protocol) return false;
  if (port !== undefined && port !== portOf(url)) return false;
  const named = host.startsWith('*.') ? url.hostname.endsWith(host.slice(1)) : url.hostname === host;
  return named && (url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`));
}

function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80');
}

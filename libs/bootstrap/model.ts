import type { BundleRun, TextFilter } from '#contracts';

export const SITE_FIELDS = ['name', 'niceId', 'deviceId', 'hardwareId'] as const;
export type SiteField = (typeof SITE_FIELDS)[number];

/** Where the value of a template comes from: `env` is the agent's environment, all else is filled in by the server. */
export const NAMESPACES = ['secret', 'site', 'label', 'org', 'env'] as const;
export type Namespace = (typeof NAMESPACES)[number];

/** `{{namespace.name | default "…" | filter}}`, and where it stands. */
export type Template = {
  from: Namespace;
  name: string;
  /** Instead of a value that is not there, or is nothing. */
  default?: string;
  filters: TextFilter[];
  line: number;
  column: number;
};
/** Literal parts, and what stands between them. Literal parts are never read as templates again. */
export type Text = (string | Template)[];

export type BootstrapFile = { path: string; mode: string; content: Text };
export type Dependency = { name: string; url: Text; sha256: string; size: number; path: string; mode: string };
export type Ready = ({ afterSeconds: number } | { http: Text } | { file: string }) & { timeoutSeconds: number };

/** Free JSON whose texts may hold templates. */
export type Config =
  | { text: Text }
  | { value: number | boolean | null }
  | { list: Config[] }
  | { map: [key: string, value: Config][] };

/** A bootstrap document with every default filled in (docs/instances.md §1). */
export type Bootstrap = {
  env: { name: string; value: Text }[];
  files: BootstrapFile[];
  config: Config;
  dependencies: Dependency[];
  run: Omit<BundleRun, 'ready'> & { ready: Ready };
};

export const RUN_DEFAULTS = {
  onChange: 'restart',
  onRevoke: 'stop',
  onExpire: 'keep',
  readyAfterSeconds: 5,
  readyTimeoutSeconds: 60,
  stopGraceSeconds: 30,
  offlineGraceSeconds: 86_400,
} as const;

/** What a site without a bootstrap is started with. */
export const EMPTY_BOOTSTRAP: Bootstrap = {
  env: [],
  files: [],
  config: { map: [] },
  dependencies: [],
  run: {
    onChange: RUN_DEFAULTS.onChange,
    onRevoke: RUN_DEFAULTS.onRevoke,
    onExpire: RUN_DEFAULTS.onExpire,
    ready: { afterSeconds: RUN_DEFAULTS.readyAfterSeconds, timeoutSeconds: RUN_DEFAULTS.readyTimeoutSeconds },
    stopGraceSeconds: RUN_DEFAULTS.stopGraceSeconds,
    offlineGraceSeconds: RUN_DEFAULTS.offlineGraceSeconds,
  },
};

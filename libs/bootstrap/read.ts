import type { BundleRun } from '#contracts';
import { below, Fields, isNull, kindName, type Problems, type ScalarNode, type TreeNode } from '#document';
import {
  type Bootstrap,
  type BootstrapFile,
  type Config,
  type Dependency,
  EMPTY_BOOTSTRAP,
  type Ready,
  RUN_DEFAULTS,
  type Text,
} from './model.js';
import {
  BOOTSTRAP_LIMITS,
  CHOICES,
  INTS,
  pathConflicts,
  pathProblem,
  TEXTS,
  urlProblem,
  variableProblem,
  variableValueProblem,
} from './rules.js';
import type { Place, Texts } from './texts.js';

const NO_SECRET = 'cannot stand here: what is fetched, and how the process is run, holds no secrets';
const NO_ENV = 'cannot stand here: the agent fills in env, files and urls of dependencies only';

const ANYWHERE: Place = { namespaces: ['secret', 'site', 'label', 'org', 'env'], because: {} };
const IN_CONFIG: Place = { namespaces: ['secret', 'site', 'label', 'org'], because: { env: NO_ENV } };
const IN_URL: Place = { namespaces: ['site', 'label', 'org', 'env'], because: { secret: NO_SECRET } };
const IN_RUN: Place = { namespaces: ['site', 'label', 'org'], because: { secret: NO_SECRET, env: NO_ENV } };

/**
 * A tree as a model, whether it is a document or a bundle from the wire: every rule is here once. What is missing or wrong is reported; the
 * model only counts when there are no problems.
 */
export function readBootstrap(root: TreeNode, texts: Texts, problems: Problems): Bootstrap {
  if (isNull(root)) {
    problems.add('', 'the document is empty; {} is a bootstrap without anything', root.at);
    return EMPTY_BOOTSTRAP;
  }
  if (root.kind !== 'map') {
    problems.add('', `a bootstrap must be a map, not ${kindName(root)}`, root.at);
    return EMPTY_BOOTSTRAP;
  }
  return new Reader(texts, problems).document(new Fields(root, '', problems));
}

class Reader {
  /** Every path of the document, for those that cannot stand beside each other. */
  private readonly paths: { f: Fields; key: string; path: string }[] = [];

  constructor(
    private readonly texts: Texts,
    private readonly problems: Problems,
  ) {}

  document(f: Fields): Bootstrap {
    const bootstrap: Bootstrap = {
      env: this.required(f, 'env', f.map('env'), (map) => this.env(map)) ?? [],
      files: this.items(f, 'files', BOOTSTRAP_LIMITS.files, (item) => this.file(item)),
      config: this.config(f),
      dependencies: this.items(f, 'dependencies', BOOTSTRAP_LIMITS.dependencies, (item) => this.dependency(item)),
      run: this.required(f, 'run', f.map('run'), (map) => this.run(map)) ?? EMPTY_BOOTSTRAP.run,
    };
    this.done(f);
    pathConflicts(this.paths.map(({ path }) => path)).forEach((problem, i) => {
      const { f: fields, key } = this.paths[i]!;
      if (problem !== undefined) fields.wrong(key, problem);
    });
    return bootstrap;
  }

  private env(map: Fields): Bootstrap['env'] {
    const { entries } = map.node;
    if (entries.length > BOOTSTRAP_LIMITS.variables) {
      this.problems.add(
        map.path,
        `may have ${BOOTSTRAP_LIMITS.variables} variables, not ${entries.length}`,
        map.node.at,
      );
      return [];
    }
    return entries.flatMap(({ key: name, keyAt, value: node }) => {
      const path = below(map.path, name);
      const problem = variableProblem(name);
      if (problem !== undefined) this.problems.add(path, problem, keyAt);
      const value = this.texts.read(node, path, ANYWHERE);
      const literal = value?.map((part) => (typeof part === 'string' ? part : '')).join('') ?? '';
      const wrong = variableValueProblem(name, literal);
      if (wrong !== undefined) this.problems.add(path, wrong, node.at);
      return value ? [{ name, value }] : [];
    });
  }

  private file(f: Fields): BootstrapFile {
    const file = { path: this.path(f), mode: this.mode(f), content: this.text(f, 'content', ANYWHERE) };
    this.done(f);
    return file;
  }

  private dependency(f: Fields): Dependency {
    const dependency = {
      name: this.plain(f, 'name', TEXTS.name),
      url: this.url(f, 'url', IN_URL),
      sha256: this.plain(f, 'sha256', TEXTS.sha256),
      size: f.need('size', f.int('size', INTS.size), 0),
      path: this.path(f),
      mode: this.mode(f),
    };
    this.done(f);
    return dependency;
  }

  private run(f: Fields): Bootstrap['run'] {
    const timeoutSeconds = this.texts.wire
      ? RUN_DEFAULTS.readyTimeoutSeconds
      : (f.int('readyTimeoutSeconds', INTS.readyTimeoutSeconds) ?? RUN_DEFAULTS.readyTimeoutSeconds);
    const run: Bootstrap['run'] = {
      onChange: this.or(f, 'onChange', f.choice('onChange', CHOICES.onChange), RUN_DEFAULTS.onChange),
      onRevoke: this.or(f, 'onRevoke', f.choice('onRevoke', CHOICES.onRevoke), RUN_DEFAULTS.onRevoke),
      onExpire: this.or<BundleRun['onExpire']>(
        f,
        'onExpire',
        f.choice('onExpire', CHOICES.onExpire),
        RUN_DEFAULTS.onExpire,
      ),
      ready: this.required(f, 'ready', f.map('ready'), (map) => this.ready(map, timeoutSeconds)) ?? {
        afterSeconds: RUN_DEFAULTS.readyAfterSeconds,
        timeoutSeconds,
      },
      stopGraceSeconds: this.int(f, 'stopGraceSeconds'),
      offlineGraceSeconds: this.int(f, 'offlineGraceSeconds'),
    };
    const { ready } = run;
    if (!this.texts.wire && 'afterSeconds' in ready && ready.afterSeconds >= ready.timeoutSeconds)
      f.wrong('readyTimeoutSeconds', `must be more than ready.afterSeconds, which is ${ready.afterSeconds}`);
    this.done(f);
    return run;
  }

  private ready(f: Fields, timeout: number): Ready {
    const given = ['afterSeconds', 'http', 'file'].filter((key) => f.has(key));
    const timeoutSeconds = this.texts.wire
      ? f.need('timeoutSeconds', f.int('timeoutSeconds', INTS.readyTimeoutSeconds), timeout)
      : timeout;
    const afterSeconds = f.int('afterSeconds', INTS.afterSeconds) ?? 0;
    const http = f.has('http') ? this.readyUrl(f) : [];
    const file = f.has('file') ? this.path(f, 'file') : '';
    f.know('http', 'file');
    this.done(f);
    if (given.length !== 1) this.problems.add(f.path, 'must say one of afterSeconds, http and file', f.node.at);
    if (given[0] === 'http') return { http, timeoutSeconds };
    return given[0] === 'file' ? { file, timeoutSeconds } : { afterSeconds, timeoutSeconds };
  }

  private readyUrl(f: Fields): Text {
    if (!this.texts.wire) return this.url(f, 'http', IN_RUN);
    const url = f.text('http');
    const problem = url === undefined ? undefined : urlProblem(url);
    if (problem !== undefined) f.wrong('http', problem);
    return [url ?? ''];
  }

  /** What of a URL is known yet is checked: a template stands for a part that is in order. */
  private url(f: Fields, key: string, place: Place): Text {
    const node = f.ask(key);
    const url = node && this.texts.read(node, below(f.path, key), place);
    if (!url) return f.need(key, url, []);
    const known = url.map((part) => (typeof part === 'string' ? part : '1')).join('');
    const problem = urlProblem(typeof url[0] === 'object' ? `http://${known}` : known);
    if (problem !== undefined) f.wrong(key, problem);
    return url;
  }

  private path(f: Fields, key = 'path'): string {
    const path = this.plain(f, key, { min: 1, max: Number.MAX_SAFE_INTEGER });
    if (path === '') return path;
    const problem = pathProblem(path);
    if (problem === undefined) this.paths.push({ f, key, path });
    else f.wrong(key, problem);
    return path;
  }

  private mode(f: Fields): string {
    return this.or(f, 'mode', f.has('mode') ? this.plain(f, 'mode', TEXTS.mode) : undefined, '0400');
  }

  private int(f: Fields, key: 'stopGraceSeconds' | 'offlineGraceSeconds'): number {
    return this.or<number>(f, key, f.int(key, INTS[key]), RUN_DEFAULTS[key]);
  }

  private text(f: Fields, key: string, place: Place): Text {
    const node = f.ask(key);
    return f.need(key, node && this.texts.read(node, below(f.path, key), place), []);
  }

  /** A text without templates. */
  private plain(f: Fields, key: string, rule: Parameters<Fields['text']>[1]): string {
    const node = f.ask(key);
    if (!node || !this.texts.hasTemplate(node)) return f.need(key, f.text(key, rule), '');
    f.wrong(key, 'a template cannot stand here');
    return '';
  }

  private items<T>(f: Fields, key: string, most: number, read: (item: Fields) => T): T[] {
    const node = f.ask(key);
    if (node?.kind === 'list' && node.items.length > most) {
      f.wrong(key, `may have ${most} items, not ${node.items.length}`);
      return [];
    }
    return this.or(f, key, f.maps(key, read), []);
  }

  private config(f: Fields): Config {
    const node = f.ask('config');
    return node && !this.texts.wire ? this.value(node, 'config') : EMPTY_BOOTSTRAP.config;
  }

  private value(node: TreeNode, path: string): Config {
    if (node.kind === 'list') return { list: node.items.map((item, i) => this.value(item, `${path}[${i}]`)) };
    if (node.kind === 'map')
      return {
        map: node.entries.map(({ key, keyAt, value }) => {
          if (this.texts.hasTemplate({ kind: 'scalar', at: keyAt, value: key, source: key }))
            this.problems.add(path, 'a template cannot stand in a key', keyAt);
          return [key, this.value(value, below(path, key))];
        }),
      };
    if (typeof node.value === 'string') return { text: this.texts.read(node, path, IN_CONFIG) ?? [] };
    if (typeof node.value === 'number') this.number(node, path);
    return { value: node.value };
  }

  /** JSON has no others, and readers of it keep no more digits than these. */
  private number(node: ScalarNode, path: string): void {
    const value = node.value as number;
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
      this.problems.add(path, `the number ${node.source} is not one that JSON keeps: write it in quotes`, node.at);
  }

  private or<T>(f: Fields, key: string, value: T | undefined, instead: T): T {
    return this.texts.wire ? f.need(key, value, instead) : (value ?? instead);
  }

  private required<T>(f: Fields, key: string, map: Fields | undefined, read: (map: Fields) => T): T | undefined {
    return this.or<T | undefined>(f, key, map && read(map), undefined);
  }

  private done(f: Fields): void {
    if (!this.texts.wire) f.done();
  }
}

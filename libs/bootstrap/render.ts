import type { BundlePayload, BundleText, EnvPart } from '#contracts';
import { below, type Problem } from '#document';
import { BootstrapError } from './bootstrap-error.js';
import { bundleBytes } from './check.js';
import { applyFilters, checkSize, filterBytes } from './filters.js';
import type { Bootstrap, Config, Ready, SiteField, Template, Text } from './model.js';
import { urlProblem, variableValueProblem } from './rules.js';
import { joined } from './texts.js';

/** What the server fills in. Labels and fields of the site that a document does not name may be left out; what is nothing is not there. */
export type RenderValues = {
  /** Text, or its bytes. */
  secrets: ReadonlyMap<string, string | Uint8Array>;
  site: Partial<Record<SiteField, string | null>>;
  labels: Readonly<Record<string, string | null>>;
  org: { id: string };
};

/** The part of a bundle's payload that the document decides. */
export type RenderedBootstrap = Pick<BundlePayload, 'env' | 'files' | 'config' | 'dependencies' | 'run'>;

/**
 * A bootstrap for one site. What the agent fills in stays a part of its own; no value is read as a template.
 * @throws BootstrapError when a value is missing or does not fit where it stands, or the result is larger than a bundle may be
 */
export function render(bootstrap: Bootstrap, values: RenderValues): RenderedBootstrap {
  return new Renderer(values).bootstrap(bootstrap);
}

class Renderer {
  private readonly problems: Problem[] = [];
  private readonly filled = new Map<string, string>();
  private size = 0;

  constructor(private readonly values: RenderValues) {}

  bootstrap(bootstrap: Bootstrap): RenderedBootstrap {
    const { env, files, config, dependencies, run } = bootstrap;
    const rendered: RenderedBootstrap = {
      env: Object.fromEntries(env.map(({ name, value }) => [name, this.variable(name, value)])),
      files: files.map((file, i) => ({ ...file, content: this.text(file.content, `files[${i}].content`) })),
      config: this.config(config, 'config'),
      dependencies: dependencies.map((one, i) => ({ ...one, url: this.url(one.url, `dependencies[${i}].url`) })),
      run: { ...run, ready: this.ready(run.ready) },
    };
    if (this.problems.length === 0) checkSize(bundleBytes(rendered));
    if (this.problems.length > 0) throw new BootstrapError(this.problems);
    return rendered;
  }

  private variable(name: string, value: Text): BundleText {
    const path = below('env', name);
    const text = this.text(value, path);
    this.check(
      path,
      value,
      variableValueProblem(name, text.map((part) => (typeof part === 'string' ? part : '')).join('')),
    );
    return text;
  }

  private url(url: Text, path: string): BundleText {
    const text = this.text(url, path);
    const known = text.map((part) => (typeof part === 'string' ? part : '1')).join('');
    this.check(path, url, urlProblem(typeof text[0] === 'object' ? `http://${known}` : known));
    return text;
  }

  private ready(ready: Ready): BundlePayload['run']['ready'] {
    if (!('http' in ready)) return ready;
    return { http: this.url(ready.http, 'run.ready.http').join(''), timeoutSeconds: ready.timeoutSeconds };
  }

  private config(config: Config, path: string): unknown {
    if ('text' in config) return this.text(config.text, path).join('');
    if ('list' in config) return config.list.map((item, i) => this.config(item, `${path}[${i}]`));
    if ('map' in config)
      return Object.fromEntries(config.map.map(([key, value]) => [key, this.config(value, below(path, key))]));
    return config.value;
  }

  private text(text: Text, path: string): BundleText {
    return joined(text.map((part) => (typeof part === 'string' ? this.spend(part) : this.part(part, path))));
  }

  private part(template: Template, path: string): string | EnvPart {
    const { from, name, filters, line, column } = template;
    if (from === 'env') {
      const fallback = template.default === undefined ? {} : { default: this.spend(template.default) };
      return { env: this.spend(name), ...fallback, ...(filters.length > 0 ? { filters } : {}), line, column };
    }
    const value = this.value(template);
    if (value === undefined) {
      this.problems.push({ path, message: missing(from, name), line, column });
      return '';
    }
    const text = this.withFilters(value, template);
    if (text !== undefined) return this.spend(text);
    const message = `the secret ${name} holds bytes that are no text: write {{secret.${name} | base64}}`;
    this.problems.push({ path, message, line, column });
    return '';
  }

  /** A secret stands in many places, and its filters are run once. @returns undefined for bytes that are no text */
  private withFilters(value: string | Uint8Array, { from, name, default: fallback, filters }: Template) {
    const key = JSON.stringify([from, name, fallback, filters]);
    let text = this.filled.get(key);
    if (text === undefined) {
      text = typeof value === 'string' ? applyFilters(value, filters) : filterBytes(value, filters);
      if (text !== undefined) this.filled.set(key, text);
    }
    return text;
  }

  /** A field or label that is nothing counts as not there, as it does in a blueprint. */
  private value({ from, name, default: fallback }: Template): string | Uint8Array | undefined {
    const { secrets, site, labels, org } = this.values;
    if (from === 'secret') return secrets.get(name);
    if (from === 'org') return org.id;
    const value = from === 'site' ? site[name as SiteField] : Object.hasOwn(labels, name) ? labels[name] : undefined;
    return value || fallback;
  }

  private check(path: string, text: Text, problem: string | undefined): void {
    if (problem === undefined) return;
    const first = text.find((part) => typeof part !== 'string');
    this.problems.push({ path, message: problem, line: first?.line ?? 0, column: first?.column ?? 0 });
  }

  /** Stops before what is far too large is put together. */
  private spend(part: string): string {
    this.size += part.length;
    checkSize(this.size);
    return part;
  }
}

function missing(from: Template['from'], name: string): string {
  if (from === 'secret') return `there is no value of the secret ${name}`;
  return from === 'label' ? `the site has no label ${name}` : `the site has no ${name}`;
}

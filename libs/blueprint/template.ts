/**
 * Templates `{{namespace.name}}` and `{{namespace.name | default "text"}}`. They are taken out of the text before it is parsed and
 * their values put into scalars afterwards, so that no value can change the structure of a document.
 */

/** Which templates a document may hold, and what they stand for. */
export type Templates = {
  namespaces: readonly string[];
  /** The value of `{{namespace.name}}`; undefined when there is none. */
  resolve(namespace: string, name: string): string | undefined;
  /** Nothing is filled in: the document is checked as far as it can be without the values. */
  open?: boolean;
};

export type Template = { namespace: string; name: string; fallback?: string };

const FORM = /^([A-Za-z][A-Za-z0-9]*)\.([A-Za-z_][A-Za-z0-9_./:-]*)(?:\s*\|\s*default\s+"([^"]*)")?$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const SITE_NAMES = ['name', 'niceId', 'hardwareId'];
const OWNERS: Record<string, string> = {
  env: 'is filled in by the agent, from its environment: it cannot be used here',
  site: "is filled in by the server, in a profile's blueprint: it cannot be used here",
  label: "is filled in by the server, in a profile's blueprint: it cannot be used here",
};

/** No template at all. */
export const NO_TEMPLATES: Templates = { namespaces: [], resolve: () => undefined };

/** `{{env.X}}`; a variable set to nothing counts as not set. */
export function environmentTemplates(env: Readonly<Record<string, string | undefined>>): Templates {
  return {
    namespaces: ['env'],
    resolve: (_namespace, name) => (Object.hasOwn(env, name) ? env[name] || undefined : undefined),
  };
}

export type SiteValues = {
  name: string;
  niceId: string;
  hardwareId?: string | null;
  labels?: Readonly<Record<string, string>>;
};

/** `{{site.name}}`, `{{site.niceId}}`, `{{site.hardwareId}}` and `{{label.X}}`, as the server fills them into a profile's blueprint. */
export function siteTemplates(site: SiteValues): Templates {
  const labels = site.labels ?? {};
  const own: Record<string, string | null | undefined> = {
    name: site.name,
    niceId: site.niceId,
    hardwareId: site.hardwareId,
  };
  return {
    namespaces: ['site', 'label'],
    resolve: (namespace, name) =>
      (namespace === 'site' ? own[name] : Object.hasOwn(labels, name) ? labels[name] : undefined) || undefined,
  };
}

/** The same for a document that is stored before there is a site: only its form is checked. */
export const OPEN_SITE_TEMPLATES: Templates = { namespaces: ['site', 'label'], resolve: () => undefined, open: true };

/** What stands between the braces; undefined when it is no template. In a quoted string the quotes may be escaped. */
export function parseTemplate(inner: string): Template | undefined {
  const match = FORM.exec(inner.trim()) ?? FORM.exec(inner.trim().replaceAll('\\"', '"'));
  if (!match) return undefined;
  const [, namespace = '', name = '', fallback] = match;
  return { namespace, name, ...(fallback === undefined ? {} : { fallback }) };
}

/** How templates are written, where these may stand. */
export function formsOf({ namespaces }: Templates): string {
  if (namespaces.length === 0) return '{{env.NAME}} or {{env.NAME | default "text"}} in the file of an agent';
  return namespaces.includes('env')
    ? '{{env.NAME}} or {{env.NAME | default "text"}}'
    : '{{site.name}}, {{site.niceId}}, {{site.hardwareId}} or {{label.NAME}}';
}

/** The value of one template, or what is wrong with it. */
export function fillTemplate(raw: string, templates: Templates): { value: string } | { problem: string } {
  const template = parseTemplate(raw.slice(2, -2));
  const known = template && (template.namespace in OWNERS || templates.namespaces.includes(template.namespace));
  const forms = formsOf(templates);
  if (!template || !known)
    return { problem: `${raw} is not understood${templates.namespaces.length === 0 ? '' : `: write ${forms}`}` };
  const { namespace, name, fallback } = template;
  if (!templates.namespaces.includes(namespace)) return { problem: `${raw} ${OWNERS[namespace]}` };
  if (namespace === 'env' && !VARIABLE.test(name))
    return { problem: `${raw} is not understood: ${JSON.stringify(name)} is not the name of a variable` };
  if (namespace === 'site' && !SITE_NAMES.includes(name))
    return { problem: `${raw} is not understood: write ${forms}` };
  if (templates.open) return { value: raw };
  const value = templates.resolve(namespace, name) ?? fallback;
  if (value !== undefined) return { value };
  if (namespace === 'env') return { problem: `the environment variable ${name}, needed by ${raw}, is not set` };
  return {
    problem:
      namespace === 'label'
        ? `the site has no label ${name}, needed by ${raw}`
        : `the site has no ${name}, needed by ${raw}`,
  };
}

import { environmentTemplates, parseTemplate } from '../../../blueprint/index.js';
import { misconfigured } from '../cli/exit-codes.js';

const PLACEHOLDER = /\{\{([^}]+)\}\}/g;

/**
 * Fills `{{env.X}}` and `{{env.X | default "…"}}` as in a blueprint; other placeholders stay as they are.
 * @throws AgentExit 78 naming a variable that is not set and has no default
 */
export function fillTemplate(text: string, env: NodeJS.ProcessEnv): string {
  const { resolve } = environmentTemplates(env);
  return text.replace(PLACEHOLDER, (whole, inner: string) => {
    if (!inner.trim().startsWith('env.')) return whole;
    const template = parseTemplate(inner);
    if (!template)
      throw misconfigured(`${whole} is not understood: write {{env.NAME}} or {{env.NAME | default "text"}}`);
    const value = resolve('env', template.name) ?? template.fallback;
    if (value === undefined)
      throw misconfigured(`the environment variable ${template.name}, needed by ${whole}, is not set`);
    return value;
  });
}

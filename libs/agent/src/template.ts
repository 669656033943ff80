import { misconfigured } from './exit-codes.js';

const PLACEHOLDER = /\{\{([^}]+)\}\}/g;
const ENVIRONMENT = /^env\.([A-Za-z_][A-Za-z0-9_]*)(?:\s*\|\s*default\s+"([^"]*)")?$/;

/**
 * Fills `{{env.X}}` and `{{env.X | default "…"}}`; other placeholders stay as they are.
 * @throws AgentExit 78 naming a variable that is not set and has no default
 */
export function fillTemplate(text: string, env: NodeJS.ProcessEnv): string {
  return text.replace(PLACEHOLDER, (whole, inner: string) => {
    const match = ENVIRONMENT.exec(inner.trim());
    if (!match) {
      if (inner.trim().startsWith('env.')) throw misconfigured(`${whole} is not understood: write {{env.NAME}} or {{env.NAME | default "text"}}`);
      return whole;
    }
    const [, name = '', fallback] = match;
    const value = env[name] || fallback;
    if (value === undefined) throw misconfigured(`the environment variable ${name}, needed by ${whole}, is not set`);
    return value;
  });
}

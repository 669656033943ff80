import { invalid } from '#platform';

const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g;
export interface NameFacts {
  hardwareId?: string;
  deviceId: string;
  keyName: string;
}
const KNOWN = new Set<string>(['hardwareId', 'deviceId', 'keyName'] satisfies (keyof NameFacts)[]);

/** @throws validation when a placeholder is none of hardwareId, deviceId, keyName. */
export function assertNameTemplate(template: string): void {
  for (const [, name] of template.matchAll(PLACEHOLDER)) {
    if (!KNOWN.has(name!))
      throw invalid('nameTemplate', `{{${name}}} is not one of {{hardwareId}}, {{deviceId}}, {{keyName}}`);
  }
}

/** @returns the name of a new site, at most 255 characters; null when a placeholder has no value. */
export function renderName(template: string, facts: NameFacts): string | null {
  let missing = false;
  const name = template.replace(PLACEHOLDER, (_all, key: keyof NameFacts) => {
    const value = facts[key];
    missing ||= !value;
    return value ?? '';
  });
  return missing || name === '' ? null : name.slice(0, 255);
}

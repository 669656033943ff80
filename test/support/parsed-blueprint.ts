import { describeProblem, type ParseOptions, parse } from '../../libs/blueprint/index.js';
import { type Blueprint, type PublicResource } from '../../libs/blueprint/model.js';

export function model(text: string, options: ParseOptions = {}): Blueprint {
  const parsed = parse(text, options);
  if (!parsed.ok) throw new Error(parsed.problems.map(describeProblem).join('\n'));
  return parsed.model;
}
export const problems = (text: string, options: ParseOptions = {}) =>
  parse(text, options).problems.map(describeProblem);
export const publicly = (fields: string, key = 'web') =>
  `public-resources:\n  ${key}:\n    ${fields.replaceAll('\n', '\n    ')}\n`;
export const privately = (fields: string, key = 'db') =>
  `private-resources:\n  ${key}:\n    ${fields.replaceAll('\n', '\n    ')}\n`;
export const web = (fields = '') => publicly(`name: Web\nmode: http\nfull-domain: web.example.com\n${fields}`);
export const resource = (text: string, options?: ParseOptions) =>
  model(text, options).publicResources[0] as PublicResource;

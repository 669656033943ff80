export { DOCUMENT_LIMITS, describeProblem, type Problem } from '#document';
export {
  containersAt,
  type FromLabels,
  fromDockerLabels,
  fromGoodLabels,
  type LabelledContainer,
  type NamedByLabels,
  namedByLabels,
} from './docker-labels.js';
export { digestOf, isSecretHeader, maskSecrets, SECRET, toDocument, toYaml } from './export.js';
export { CHOICES, INTS, MAX_HEADERS, TEXTS } from './field-rules.js';
export { withoutSecrets } from './masked-text.js';
export type * from './model.js';
export { type Parsed, type ParseOptions, parse, placesOf } from './parse.js';
export { MAX_RULE_VALUE, RULE_MATCHES, type RuleMatch, readRuleValue } from './rule-values.js';
export * from './syntax.js';
export {
  environmentTemplates,
  NO_TEMPLATES,
  OPEN_SITE_TEMPLATES,
  parseTemplate,
  type SiteValues,
  siteTemplates,
  type Templates,
} from './template.js';

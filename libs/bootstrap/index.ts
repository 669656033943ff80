export { BootstrapError } from './bootstrap-error.js';
export { checkBundle } from './check.js';
export { fillText } from './fill.js';
export {
  type Bootstrap,
  type Config,
  EMPTY_BOOTSTRAP,
  SITE_FIELDS,
  type SiteField,
  type Template,
  type Text,
} from './model.js';
export { type ParsedBootstrap, parseBootstrap } from './parse.js';
export { type RenderedBootstrap, type RenderValues, render } from './render.js';
export { BOOTSTRAP_LIMITS, CONFIG_PATH, urlProblem, variableProblem, variableValueProblem } from './rules.js';
export { type PlacedTemplate, templatesOf, type Uses, usesOf, warningsOf } from './uses.js';

export { Fields, listed, readText } from './fields.js';
export {
  DOCUMENT_LIMITS,
  isNull,
  kindName,
  type ListNode,
  type MapNode,
  type ScalarNode,
  type TreeNode,
} from './node.js';
export { below, describeProblem, type Problem, Problems, shown } from './problem.js';
export { readJson } from './read-json.js';
export { readYaml } from './read-yaml.js';
export { forbiddenCharacter, Source } from './source.js';

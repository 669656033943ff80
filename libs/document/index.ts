export { Fields, listed, readText } from './fields.js';
export { isAddress, isIPv4 } from './ip.js';
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
export { checkText, type Format, isReadQuickly, readTree } from './read-tree.js';
export { Source, type WrittenTemplate } from './source.js';
export { unifiedDiff } from './unified-diff.js';

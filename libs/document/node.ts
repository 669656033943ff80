/**
 * A document as a tree that knows where each part stands in the text: what YAML, JSON and Docker labels have in common.
 * `at` is an offset in the text, -1 where there is none.
 */
export type TreeNode = MapNode | ListNode | ScalarNode;

export type MapEntry = { key: string; keyAt: number; value: TreeNode };
export type MapNode = { kind: 'map'; at: number; entries: MapEntry[] };
export type ListNode = { kind: 'list'; at: number; items: TreeNode[] };
export type ScalarNode = {
  kind: 'scalar';
  at: number;
  value: string | number | boolean | null;
  /** As written: a number keeps its leading zeros where the schema wants text. One that was not written (JSON from the wire) is no text. */
  source?: string;
  /** Text that may also stand for a number or a boolean: it came out of a template or a label, which have no types. */
  loose?: boolean;
  /** Holds a template that nobody has filled in: its form cannot be checked. */
  open?: boolean;
};

export const DOCUMENT_LIMITS = {
  /** Bytes of UTF-8, unless the caller says another. */
  bytes: 256 * 1024,
  /** The most that a caller may allow. */
  maxBytes: 1024 * 1024,
  depth: 24,
  aliases: 256,
  /** Values and keys with every alias written out. */
  nodes: 200_000,
  templates: 20_000,
} as const;

export function kindName(node: TreeNode): string {
  if (node.kind === 'map') return 'a map';
  if (node.kind === 'list') return 'a list';
  if (node.value === null) return 'nothing';
  return typeof node.value === 'string' ? 'text' : typeof node.value === 'number' ? 'a number' : 'true or false';
}

export function isNull(node: TreeNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

import { INSTANCE_LIMITS } from '#contracts';
import { DOCUMENT_LIMITS, type Problem, Problems, type TreeNode } from '#document';
import { readBootstrap } from './read.js';
import { WireTexts } from './texts.js';

/**
 * Whether a bundle's payload holds nothing that the server would have refused to save: the agent asks before it writes a byte
 * (docs/instances.md §1). Who it is for, and which version it is, is not looked at; what is not known is from a newer server.
 * @param payload any JSON
 * @returns what is wrong, by its path; nothing when the payload is what its type says
 */
export function checkBundle(payload: unknown): Problem[] {
  const problems = new Problems();
  const tree = new WireTree(problems).read(payload);
  if (problems.none) checkBytes(payload, problems);
  if (problems.none) readBootstrap(tree, new WireTexts(problems), problems);
  return problems.list();
}

/** Size of what a document amounts to, as it is sent. */
export function bundleBytes(payload: Record<string, unknown>): number {
  const { env, files, config, dependencies, run } = payload;
  return new TextEncoder().encode(JSON.stringify({ env, files, config, dependencies, run })).length;
}

function checkBytes(payload: unknown, problems: Problems): void {
  if (typeof payload !== 'object' || payload === null) return;
  const bytes = bundleBytes(payload as Record<string, unknown>);
  if (bytes > INSTANCE_LIMITS.bundleBytes)
    problems.add('', `the bundle has ${bytes} bytes; at most ${INSTANCE_LIMITS.bundleBytes} are taken`, -1);
}

/** JSON as a tree without places, within the bounds of documents. */
class WireTree {
  private nodes = 0;

  constructor(private readonly problems: Problems) {}

  read(value: unknown, depth = 0): TreeNode {
    const nothing: TreeNode = { kind: 'scalar', at: -1, value: null };
    if (++this.nodes > DOCUMENT_LIMITS.nodes)
      return this.stop(nothing, `has more than ${DOCUMENT_LIMITS.nodes} values`);
    // Texts are lists here.
    if (depth > DOCUMENT_LIMITS.depth + 2)
      return this.stop(nothing, `is nested more than ${DOCUMENT_LIMITS.depth} levels deep`);
    if (value === null || value === undefined) return nothing;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return { kind: 'scalar', at: -1, value };
    if (Array.isArray(value)) return { kind: 'list', at: -1, items: value.map((item) => this.read(item, depth + 1)) };
    if (typeof value !== 'object') return this.stop(nothing, 'is not JSON');
    const entries = Object.entries(value).map(([key, item]) => ({ key, keyAt: -1, value: this.read(item, depth + 1) }));
    return { kind: 'map', at: -1, entries };
  }

  private stop(nothing: TreeNode, problem: string): TreeNode {
    this.problems.add('', `the bundle ${problem}`, -1);
    return nothing;
  }
}

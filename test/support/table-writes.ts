import ts from 'typescript';

/** A table's name in a statement: also one that code puts together, `provisioning_${of}_group`. */
const NAME = String.raw`"?((?:\w|\$\{[^}]*\})+)`;
const VERBS = [
  new RegExp(String.raw`\b(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO|COPY)\s+(?:ONLY\s+)?${NAME}`, 'gi'),
  new RegExp(String.raw`\bTRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?${NAME}`, 'gi'),
  // SET tells a statement from FOR UPDATE, DO UPDATE and prose.
  new RegExp(String.raw`\bUPDATE\s+(?:ONLY\s+)?${NAME}"?(?:\s+(?:AS\s+)?(?!SET\b)\w+)?\s+SET\b`, 'gi'),
];
/** A statement that is put together of several strings hides its table. */
const CUT_OFF = /(?<!FOR |KEY |DO )\b(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO|UPDATE(?:\s+ONLY)?)\s+$/;

const SAVES = new Set(['save', 'insert', 'update', 'upsert', 'delete', 'remove', 'softDelete', 'softRemove', 'into']);

/**
 * The tables that a source file writes: by SQL in its strings, which comments are not, and by an entity that it hands to TypeORM.
 * @param entities class name of an entity → its table
 * @returns names in order; with `${…}` where a name is put together, `?` where a string ends before the name
 */
export function tableWrites(source: string, entities: ReadonlyMap<string, string>): string[] {
  const found = new Set<string>();
  const file = ts.createSourceFile('x.ts', source, ts.ScriptTarget.Latest, true);
  const entity = (node: ts.Node | undefined) => (node && ts.isIdentifier(node) ? entities.get(node.text) : undefined);
  const visit = (node: ts.Node): void => {
    const text = textOf(node, file);
    if (text !== undefined) {
      for (const verb of VERBS) for (const [, name] of text.matchAll(verb)) found.add(name!);
      if (CUT_OFF.test(text)) found.add('?');
    }
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { name, expression } = node.expression;
      // manager.save(Entity, …) or repository(Entity).save(…)
      const table = (ts.isCallExpression(expression) && entity(expression.arguments[0])) || entity(node.arguments[0]);
      if (table && SAVES.has(name.text)) found.add(table);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return [...found].sort();
}

/** A string or template as it stands, without its quotes. */
function textOf(node: ts.Node, file: ts.SourceFile): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  return ts.isTemplateExpression(node) ? node.getText(file).slice(1, -1) : undefined;
}

import { isDeepStrictEqual } from 'node:util';
import { SECRET } from '#blueprint';
import { type ColumnValues, driftOf, fieldOf, shownOf } from '../resources/index.js';
import { type Declaration, owns, type Stored } from './current-state.js';
import type { DriftedField } from './plan.types.js';
import type { PlanContext } from './plan-context.js';

/** What somebody changed since a document was applied. */
export class Drift {
  readonly fields: DriftedField[] = [];
  /** What a step leaves behind is not what the source said before, though nothing changes. */
  redeclares = false;

  constructor(private readonly context: PlanContext) {}

  /** The columns that differ from the document though it says what it said. */
  columns(
    type: DriftedField['type'],
    key: string,
    stored: Stored,
    { declared }: Declaration,
    difference: string[],
    wanted: ColumnValues,
  ): void {
    for (const column of difference) {
      const name = column === 'staged_enabled' ? 'enabled' : column;
      // A secret has another hash each time: what is there is not what the document left there.
      const same = name.endsWith('_hash')
        ? declared[name] !== stored.columns[name]
        : isDeepStrictEqual(declared[name], wanted[name]);
      if (!(name in declared) || !same) continue;
      this.fields.push({
        type,
        key,
        field: fieldOf(column),
        file: shown(name, wanted[name]),
        current: shown(name, stored.columns[column] ?? null),
      });
    }
  }

  /**
   * Targets, rules and grants that somebody changed since. An operator's plan shows what every owner's next apply sets back.
   * @param changes whether this document sets anything of them back; one that says what is there does not
   */
  parts(
    type: DriftedField['type'],
    key: string,
    stored: Stored | undefined,
    saysGrants: boolean,
    changes: boolean,
  ): void {
    const { kind, sourceId } = this.context.applicant;
    const shown = (stored?.parts ?? []).filter((p) => kind === 'api' || p.sourceId === sourceId);
    const drift = shown.flatMap(({ parts, now }) =>
      Object.keys(parts)
        .filter((field) => !isDeepStrictEqual(parts[field], now[field]))
        .map((field) => ({ type, key, field, file: parts[field], current: now[field] })),
    );
    if (changes || kind === 'api') this.fields.push(...driftOf(drift));
    if (owns(kind) && stored)
      this.redeclares ||= drift.length > 0 || shown.length === 0 || 'roles' in shown[0]!.parts !== saysGrants;
  }
}

/** Of a secret only that it is there. */
const shown = (column: string, value: unknown) =>
  column.endsWith('_hash') && value !== null ? SECRET : shownOf(value);

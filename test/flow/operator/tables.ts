/** Tables of a source in memory: what a history does to them, as the changes that a binlog would have. */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { makeChange, type Change, type Row } from '../../../src/row/change.ts';

/** A table: the columns of its key, which are never NULL, and its other columns, each with the values that it may have. */
export interface TestTable {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, fc.Arbitrary<Row[string]>>>;
}

export type TableStep =
  | { readonly op: 'put'; readonly table: string; readonly row: Row }
  | { readonly op: 'remove'; readonly table: string; readonly at: number }
  | { readonly op: 'move'; readonly table: string; readonly at: number; readonly row: Row };

export type TableRows = ReadonlyMap<string, Map<string, Row>>;

/** Steps of these tables in batches. */
export function histories(tables: readonly TestTable[]): fc.Arbitrary<TableStep[][]> {
  const steps = tables.flatMap(({ name, columns }) => {
    const table = fc.constant(name);
    const row: fc.Arbitrary<Row> = fc.record(columns);
    const at = fc.nat({ max: 30 });
    return [
      { weight: 6, arbitrary: fc.record({ op: fc.constant('put' as const), table, row }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), table, at }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('move' as const), table, at, row }) },
    ];
  });
  return fc.array(fc.array(fc.oneof(...steps), { maxLength: 12 }), { maxLength: 8 });
}

export function emptyTables(tables: readonly TestTable[]): TableRows {
  return new Map(tables.map(({ name }) => [name, new Map<string, Row>()]));
}

export function idOf(row: Row, key: readonly string[]): string {
  return JSON.stringify(key.map((name) => String(row[name])));
}

/** Does the steps, and gives them as changes, the n-th at position n. */
export function play(tables: readonly TestTable[], rows: TableRows, steps: readonly TableStep[]): readonly Change[] {
  const changes: Change[] = [];
  for (const step of steps) {
    const table = tables.find(({ name }) => name === step.table);
    const own = rows.get(step.table);
    if (table === undefined || own === undefined) continue;
    const change = playOne(table, own, step);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

function playOne({ name, key }: TestTable, rows: Map<string, Row>, step: TableStep): Change | undefined {
  const before = step.op === 'put' ? rows.get(idOf(step.row, key)) : [...rows.values()][step.at % Math.max(rows.size, 1)];
  const after = step.op === 'remove' ? undefined : step.row;
  if (step.op !== 'put' && before === undefined) return undefined;
  const taken = after === undefined ? undefined : rows.get(idOf(after, key));
  if (taken !== undefined && taken !== before) return undefined;
  if (before !== undefined) rows.delete(idOf(before, key));
  if (after !== undefined) rows.set(idOf(after, key), after);
  const op = before === undefined ? 'insert' : after === undefined ? 'delete' : 'update';
  return makeChange({ op, table: name, key, position: 'b.1:4', time: 7, before: before ?? null, after: after ?? null });
}

/** Applies changes to rows by their key; each must fit what is there, as it would in a table. */
export function applyChanges(rows: Map<string, Row>, changes: readonly Change[]): void {
  for (const { op, before, after, key } of changes) {
    expect(key).not.toEqual([]);
    const [beforeId, afterId] = [before, after].map((image) => (image === null ? undefined : idOf(image, key)));
    expect(op).toBe(before === null ? 'insert' : after === null ? 'delete' : 'update');
    if (beforeId !== undefined) {
      expect(rows.get(beforeId)).toEqual(before);
      rows.delete(beforeId);
    }
    if (afterId === undefined || after === null) continue;
    expect(rows.has(afterId), `two rows with the key ${afterId}`).toBe(false);
    rows.set(afterId, after);
  }
}

/** Rows in an order of their own, so that two lists can be compared. */
export function inOrder(rows: Iterable<Row>): readonly string[] {
  return [...rows].map((row) => JSON.stringify(row, Object.keys(row).toSorted())).toSorted();
}

import { hash } from 'node:crypto';
import type { Row } from '../row/change.ts';
import type { RowOrigin, TracedTable } from '../row/row-trace.ts';

/** What a batch did to one row, in order; or what concerns a table as a whole. */
export type LineageOperation =
  | {
      readonly kind: 'wrote';
      readonly table: TracedTable;
      readonly at: Row;
      readonly key: string;
      readonly fields: string;
      readonly fname: string;
      readonly known: 'change' | 'key' | 'batch';
      readonly origin: RowOrigin | undefined;
      readonly isSure: boolean;
    }
  | { readonly kind: 'removed'; readonly table: TracedTable; readonly key: string }
  | { readonly kind: 'mark'; readonly table: string; readonly known: 'sql' | 'loose'; readonly fname: string };

/** A function's last write of these fields of a row. */
export interface FoldedWrite {
  /** 16 hexadecimal digits. */
  readonly writer: string;
  readonly fname: string;
  readonly fields: string;
  readonly known: 'change' | 'key' | 'batch' | 'sql' | 'loose';
  readonly origin: RowOrigin | undefined;
}

/** What is left of a batch for one row. */
export interface FoldedRow {
  /** 48 hexadecimal digits. */
  readonly rowId: string;
  /** A table as a whole by its name. */
  readonly table: TracedTable | string;
  readonly key: string;
  /** What was known of it before holds no more. */
  readonly isRemoved: boolean;
  /** A row with its key, where it is not certain that it is there. */
  readonly unsure: Row | undefined;
  readonly writes: readonly FoldedWrite[];
}

interface OpenRow extends FoldedRow {
  isRemoved: boolean;
  unsure: Row | undefined;
  writes: FoldedWrite[];
}

/** Each row once, each function with the fields that it wrote once, the last write last; sorted, so that flows lock rows in one order. */
export function foldLineage(flow: string, operations: readonly LineageOperation[]): readonly FoldedRow[] {
  const rows = new Map<string, OpenRow>();
  const writerOf = makeWriterIds(flow);
  for (const operation of operations) {
    const { table } = operation;
    const key = operation.kind === 'mark' ? '' : operation.key;
    const rowId = operation.kind === 'mark' ? tableRowId(operation.table) : lineageRowId(operation.table.id, key);
    let row = rows.get(rowId);
    if (row === undefined) {
      row = { rowId, table, key, isRemoved: false, unsure: undefined, writes: [] };
      rows.set(rowId, row);
    }
    if (operation.kind === 'removed') Object.assign(row, { isRemoved: true, unsure: undefined, writes: [] });
    else addWrite(row, operation, writerOf);
  }
  return [...rows.values()].sort((a, b) => (a.rowId < b.rowId ? -1 : 1));
}

function addWrite(
  row: OpenRow,
  operation: Exclude<LineageOperation, { kind: 'removed' }>,
  writerOf: (fname: string, fields: string) => string,
): void {
  const { fname, known } = operation;
  const isMark = operation.kind === 'mark';
  const fields = isMark ? '[]' : operation.fields;
  const writer = writerOf(fname, isMark ? known : fields);
  const at = row.writes.findIndex((write) => write.writer === writer);
  if (at !== -1) row.writes.splice(at, 1);
  if (!isMark) row.unsure = operation.isSure ? undefined : operation.at;
  row.writes.push({ writer, fname, fields, known, origin: isMark ? undefined : operation.origin });
}

function makeWriterIds(flow: string): (fname: string, fields: string) => string {
  const ids = new Map<string, string>();
  return (fname, fields) => {
    const text = `${flow}\0${fname}\0${fields}`;
    let id = ids.get(text);
    if (id === undefined) {
      id = hash('sha256', text).slice(0, 16);
      ids.set(text, id);
    }
    return id;
  };
}

/** How kis_lineage names a row, in hexadecimal. All of one table begin with the same digits. */
export function lineageRowId(table: string, key: string): string {
  return tablePrefix(table) + hash('sha256', `${table}\0${key}`).slice(0, 32);
}

/** How it names a table as a whole. */
export function tableRowId(table: string): string {
  return tablePrefix(table) + '0'.repeat(32);
}

const prefixes = new Map<string, string>();

function tablePrefix(table: string): string {
  let prefix = prefixes.get(table);
  if (prefix === undefined) {
    prefix = hash('sha256', table).slice(0, 16);
    prefixes.set(table, prefix);
  }
  return prefix;
}

import type { ChangeGroup, Row, Table } from './change.ts';

/** Tables as flows see them that do not receive all columns which were read, by the table and the flow's columns. */
const narrowed = new WeakMap<Table, WeakMap<ReadonlySet<string>, Table>>();

/** The group with these columns and its primary key's alone: others were read for another flow. */
export function narrowGroup(group: ChangeGroup, columns: ReadonlySet<string>): ChangeGroup {
  const table = narrowTable(group.table, columns);
  if (table === group.table) return group;
  const narrow = (rows: readonly Row[]): readonly Row[] => rows.map((row) => narrowRow(row, table));
  switch (group.op) {
    case 'insert':
      return { ...group, table, after: narrow(group.after) };
    case 'update':
      return { ...group, table, before: narrow(group.before), after: narrow(group.after) };
    case 'delete':
      return { ...group, table, before: narrow(group.before) };
    default:
      return group satisfies never;
  }
}

function narrowTable(table: Table, columns: ReadonlySet<string>): Table {
  const byColumns = narrowed.get(table) ?? new WeakMap<ReadonlySet<string>, Table>();
  const known = byColumns.get(columns);
  if (known !== undefined) return known;
  const kept = table.columns.filter(({ name }) => columns.has(name) || table.primaryKey.includes(name));
  const narrow = kept.length === table.columns.length ? table : { ...table, columns: kept };
  narrowed.set(table, byColumns.set(columns, narrow));
  return narrow;
}

function narrowRow(row: Row, table: Table): Row {
  // By entries: a column may be called __proto__.
  return Object.fromEntries(table.columns.flatMap(({ name }) => (Object.hasOwn(row, name) ? [[name, row[name]]] : [])));
}

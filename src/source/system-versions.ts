import type { ChangeGroup, Row, Table } from '../row/change.ts';

/** The columns that a MariaDB table WITH SYSTEM VERSIONING has for the time in which each of its rows held. */
export interface VersionColumns {
  readonly start: string;
  readonly end: string;
  /** Not of the table's definition: no SELECT shows them unless it names them. */
  readonly isHidden: boolean;
}

/** What the end of a row that holds is, in UTC: the last moment of a TIMESTAMP, from MariaDB 11.5 on a later one. */
const forever: ReadonlySet<unknown> = new Set(['2038-01-19 03:14:07.999999', '2106-02-07 06:28:15.999999']);

/**
 * The changes of such a table as changes of the rows that hold, which are what a SELECT gives. The log has the history too: an UPDATE is
 * there as an update and an insert of what the row was, with its key; a DELETE is an update that ends the row. Taken for changes
 * like others, they would bring back what was, and delete nothing.
 */
export class SystemVersions {
  readonly #table: Table;
  readonly #columns: VersionColumns;

  constructor(table: Table, columns: VersionColumns) {
    const { start, end, isHidden } = columns;
    this.#columns = columns;
    this.#table = {
      ...table,
      columns: isHidden ? table.columns.filter(({ name }) => name !== start && name !== end) : table.columns,
      primaryKey: table.primaryKey.filter((name) => name !== end),
    };
  }

  /** In order; none where the event changed history only. */
  current(group: ChangeGroup): readonly ChangeGroup[] {
    const partial = group.isPartial === true ? { isPartial: true as const } : {};
    const table = this.#table;
    switch (group.op) {
      case 'insert': {
        const after = this.#holding(group.after);
        return after.length === 0 ? [] : [{ op: 'insert', table, after, ...partial }];
      }
      case 'delete': {
        const before = this.#holding(group.before);
        return before.length === 0 ? [] : [{ op: 'delete', table, before, ...partial }];
      }
      case 'update':
        return group.before.flatMap((before, n) =>
          this.#update(before, group.after[n] ?? before).map((one) => ({ ...one, ...partial })),
        );
      default:
        return group satisfies never;
    }
  }

  #update(before: Row, after: Row): readonly ChangeGroup[] {
    const table = this.#table;
    const [olds, news] = [this.#holding([before]), this.#holding([after])];
    if (olds.length > 0 && news.length > 0) return [{ op: 'update', table, before: olds, after: news }];
    if (olds.length > 0) return [{ op: 'delete', table, before: olds }];
    return news.length > 0 ? [{ op: 'insert', table, after: news }] : [];
  }

  #holding(rows: readonly Row[]): readonly Row[] {
    const { start, end, isHidden } = this.#columns;
    const holding = rows.filter((row) => row[end] === undefined || forever.has(row[end]));
    if (!isHidden) return holding;
    return holding.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== start && name !== end)));
  }
}

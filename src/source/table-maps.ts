import type { ColumnFormat } from '../binlog/column-type.ts';
import { readTableMap, readTableName } from '../binlog/table-map.ts';
import { TableRows } from '../binlog/table-rows.ts';
import type { Flavour } from '../binlog/value-reader.ts';
import { CodedError } from '../lib/error.ts';
import type { TableFilter } from './contract.ts';

interface Entry {
  /** The table map's body: the same bytes say the same columns. */
  readonly body: Buffer;
  readonly schema: string;
  readonly name: string;
  readonly isWanted: boolean;
  /** Made when the first rows of a wanted table come. */
  rows: TableRows | undefined;
}

/**
 * The tables that the binlog's table maps have described, by table id. A statement repeats its table's map, byte by byte the
 * same until the table is altered: it is read once, which for small transactions is most of the work.
 */
export class TableMaps {
  readonly #wants: TableFilter;
  readonly #entries = new Map<number, Entry>();

  constructor(wants: TableFilter) {
    this.#wants = wants;
  }

  /** Takes a table map's body. */
  note(body: Buffer): void {
    const id = readTableId(body);
    const known = this.#entries.get(id);
    if (known !== undefined && known.body.equals(body) && known.isWanted === this.#wants(known.schema, known.name)) return;
    const { schema, name } = readTableName(body);
    this.#entries.set(id, { body: Buffer.from(body), schema, name, isWanted: this.#wants(schema, name), rows: undefined });
  }

  /**
   * How the rows of a table id are read; undefined for a table that is not wanted. Throws where no table map described it, and
   * SOURCE_ROW_METADATA where that did not say its own columns.
   */
  rowsOf(body: Buffer, flavour: Flavour): TableRows | undefined {
    const id = readTableId(body);
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry.isWanted ? (entry.rows ??= describeTable(entry, flavour)) : undefined;
    // Marks the end of a statement and holds no rows.
    if (id === DUMMY_ID) return undefined;
    throw new Error('rows of a table that no table map described');
  }

  /** Table ids are given anew with every opening of a table: those of a past file must not gather. */
  clear(): void {
    this.#entries.clear();
  }
}

const DUMMY_ID = 0xff_ff_ff;

function readTableId(body: Buffer): number {
  return body.readUIntLE(0, 6);
}

function describeTable({ body, schema, name }: Entry, flavour: Flavour): TableRows {
  const map = readTableMap(body);
  const columns = map.columns.map((column) => ({ ...column, name: nameOf(column, `${schema}.${name}`) }));
  const table = {
    schema,
    name,
    id: `${schema}.${name}`,
    columns: columns.map((column) => ({ name: column.name })),
    primaryKey: map.primaryKey.map((index) => columns[index]?.name ?? ''),
  };
  return new TableRows({ table, columns, flavour, wantsColumn: () => true });
}

/** A table map of a wanted table must carry its column names (binlog_row_metadata=FULL). */
function nameOf({ name }: ColumnFormat, table: string): string {
  if (name !== undefined) return name;
  throw new CodedError(
    'SOURCE_ROW_METADATA',
    `an event of ${table} does not carry its column names: SET GLOBAL binlog_row_metadata = FULL, reconnect the writers`,
    { details: { table } },
  );
}

import type { TableMapEvent } from '@vlasky/zongji';
import { CodedError } from '../lib/error.ts';
import type { Table } from '../row/change.ts';
import type { TableFilter } from './contract.ts';
import { BODY, readTableId, type EventPacket } from './event-header.ts';

/** MYSQL_TYPE_FLOAT and MYSQL_TYPE_YEAR of the server's field_types.h. */
const FLOAT_TYPE = 4;
const YEAR_TYPE = 13;

/** Names of columns by type. */
export interface InexactColumns {
  readonly years: readonly string[];
  readonly floats: readonly string[];
}

const noColumns: InexactColumns = { years: [], floats: [] };

interface Entry {
  /** The table map's body: the same bytes say the same columns. */
  readonly body: Buffer;
  readonly schema: string;
  readonly name: string;
  readonly isWanted: boolean;
}

/**
 * The tables that the binlog's table maps have described, by table id. A statement repeats its table's map, byte by byte the
 * same until the table is altered: `isKnown` spares decoding it again, which for small transactions is most of the work.
 */
export class TableMaps {
  readonly #wants: TableFilter;
  readonly #entries = new Map<number, Entry>();
  readonly #tables = new Map<number, Table>();
  readonly #inexact = new Map<number, InexactColumns>();

  constructor(wants: TableFilter) {
    this.#wants = wants;
  }

  /** Whether this table map says what the last one of its id said, and the filter still answers the same. */
  isKnown(packet: EventPacket, bodyEnd: number): boolean {
    const entry = this.#entries.get(readTableId(packet));
    if (entry === undefined) return false;
    const { buffer, offset } = packet;
    if (entry.body.compare(buffer, offset + BODY, bodyEnd) !== 0) return false;
    return entry.isWanted === this.#wants(entry.schema, entry.name);
  }

  /** Notes a table map that is to be decoded; gives whether its table is wanted. */
  note(packet: EventPacket, bodyEnd: number): boolean {
    const { buffer, offset } = packet;
    const body = Buffer.from(buffer.subarray(offset + BODY, bodyEnd));
    // Table id (6), flags (2), then two names, each with its length before it and a zero behind it.
    const schemaEnd = 9 + body.readUInt8(8);
    const schema = body.toString('utf8', 9, schemaEnd);
    const nameStart = schemaEnd + 2;
    const name = body.toString('utf8', nameStart, nameStart + body.readUInt8(schemaEnd + 1));
    const isWanted = this.#wants(schema, name);
    const id = readTableId(packet);
    this.#entries.set(id, { body, schema, name, isWanted });
    this.#tables.delete(id);
    this.#inexact.delete(id);
    return isWanted;
  }

  /** Takes the decoded table map of a wanted table. Throws SOURCE_ROW_METADATA where it does not say its own columns. */
  add(event: TableMapEvent): void {
    const table = describeTable(event);
    this.#tables.set(event.tableId, table);
    const columnsOf = (type: number): readonly string[] =>
      table.columns.flatMap(({ name }, index) => (event.columnTypes[index] === type ? [name] : []));
    this.#inexact.set(event.tableId, { years: columnsOf(YEAR_TYPE), floats: columnsOf(FLOAT_TYPE) });
  }

  /** The wanted table of this id; undefined for one that is not wanted. */
  get(id: number): Table | undefined {
    return this.#tables.get(id);
  }

  /** The columns of a wanted table whose values zongji does not read as they are. */
  inexact(id: number): InexactColumns {
    return this.#inexact.get(id) ?? noColumns;
  }

  /** Whether a table map of this id was seen. */
  has(id: number): boolean {
    return this.#entries.has(id);
  }

  /** Table ids are given anew with every opening of a table: those of a past file must not gather. */
  clear(): void {
    this.#entries.clear();
    this.#tables.clear();
    this.#inexact.clear();
  }
}

function describeTable(event: TableMapEvent): Table {
  const { schemaName, tableName, columnNames = [], primaryKey = [] } = event;
  const id = `${schemaName}.${tableName}`;
  refuseWithoutNames(event);
  // MariaDB's old temporal types make zongji ask the server for the columns, which may be those of another time.
  const looked = event.tableMap[event.tableId]?.columns?.map((column) => column.name);
  if (looked !== undefined && looked.join('\0') !== columnNames.join('\0')) {
    throw new CodedError(
      'SOURCE_ROW_METADATA',
      `${id} has old temporal columns that only its present definition describes, and that was altered since the event`,
      { details: { table: id } },
    );
  }
  return {
    schema: schemaName,
    name: tableName,
    id,
    columns: columnNames.map((name) => ({ name })),
    primaryKey: primaryKey.map((index) => columnNames[index] ?? ''),
  };
}

/** A table map of a wanted table must carry its column names (binlog_row_metadata=FULL). */
export function refuseWithoutNames({ schemaName, tableName, columnNames, columnCount }: TableMapEvent): void {
  if (columnNames !== undefined && columnNames.length === columnCount) return;
  const table = `${schemaName}.${tableName}`;
  throw new CodedError(
    'SOURCE_ROW_METADATA',
    `an event of ${table} does not carry its column names: SET GLOBAL binlog_row_metadata = FULL, reconnect the writers`,
    { details: { table } },
  );
}

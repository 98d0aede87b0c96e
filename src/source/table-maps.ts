import { MalformedEvent } from '../binlog/malformed.ts';
import { readTableId, readTableMap, readTableName, type TableMap } from '../binlog/table-map.ts';
import { TableRows } from '../binlog/table-rows.ts';
import type { Flavour } from '../binlog/flavour.ts';
import type { ChangeGroup } from '../row/change.ts';
import type { ColumnFilter, TableFilter } from './contract.ts';
import { mayTouch, readStatement } from './statement.ts';
import { completeColumns, isOldTemporal, mayBeLogical, mayBeVersioned, type TableDefinition } from './table-definition.ts';
import { SystemVersions } from './system-versions.ts';
import type { DefinitionSource, DefinitionWish, RowsPlace } from './table-definitions.ts';

/** A table map that says too little. */
interface UnreadMap {
  readonly map: TableMap;
  /** The columns that are not known; undefined: all. */
  readonly columns: readonly string[] | undefined;
}

interface Entry {
  /** The table map's body: the same bytes say the same columns. */
  readonly body: Buffer;
  readonly schema: string;
  readonly name: string;
  readonly isWanted: boolean;
  readonly columns: ReadonlySet<string> | undefined;
  /** Of a wanted table; undefined until it is known how its rows are read. */
  rows: TableRows | undefined;
  /** Of a wanted table whose definition is still to be asked for: most maps that a statement writes for tables it only reads have no rows. */
  unread: UnreadMap | undefined;
  /** Of a wanted table that keeps its rows' history. */
  versions: SystemVersions | undefined;
}

export interface TableMapsOptions {
  readonly wants: TableFilter;
  readonly columns?: ColumnFilter | undefined;
  readonly definitions: DefinitionSource;
}

/**
 * The tables that the binlog's table maps have described, by table id. A statement repeats its table's map, byte by byte the
 * same until the table is altered: it is read once, which for small transactions is most of the work.
 */
export class TableMaps {
  readonly #options: TableMapsOptions;
  readonly #entries = new Map<number, Entry>();
  /** Definitions that hold here, by `schema.name`: until a statement names the table. */
  readonly #definitions = new Map<
    string,
    { readonly schema: string; readonly name: string; readonly definition: TableDefinition }
  >();

  constructor(options: TableMapsOptions) {
    this.#options = options;
  }

  /** Takes a table map. */
  note(body: Buffer, flavour: Flavour): void {
    const id = readTableId(body);
    const known = this.#entries.get(id);
    if (known !== undefined && known.body.equals(body) && this.#isAsWanted(known)) return;
    const { schema, name } = readTableName(body);
    const isWanted = this.#options.wants(schema, name);
    const columns = isWanted ? this.#options.columns?.(schema, name) : undefined;
    const about = { body: Buffer.from(body), schema, name, isWanted, columns };
    const entry: Entry = { ...about, rows: undefined, unread: undefined, versions: undefined };
    this.#entries.set(id, entry);
    if (!entry.isWanted) return;
    const map = readTableMap(body, flavour);
    const unknown = unknownColumns(map, flavour);
    if (unknown?.length === 0) entry.rows = rowsOfMap(map, columns);
    else entry.unread = { map, columns: unknown };
  }

  #isAsWanted({ schema, name, isWanted, columns }: Entry): boolean {
    if (this.#options.wants(schema, name) !== isWanted) return false;
    return !isWanted || this.#options.columns?.(schema, name) === columns;
  }

  /**
   * To be asked where `rowsOf` gives nothing: a promise means that the table's definition is asked for, and the rows can be read once it is
   * there, before anything else; undefined: the table is not wanted. `at`: where the rows stand.
   */
  prepare(body: Buffer, at: () => RowsPlace): Promise<void> | undefined {
    const entry = this.#entries.get(readTableId(body));
    if (entry?.unread === undefined) return undefined;
    const { schema, name, unread } = entry;
    const cached = this.#definitions.get(JSON.stringify([schema, name]));
    if (cached === undefined) return this.#define(entry, unread, { schema, table: name, columns: unread.columns, at: at() });
    define(entry, unread, cached.definition);
    return Promise.resolve();
  }

  async #define(entry: Entry, unread: UnreadMap, wish: DefinitionWish): Promise<void> {
    const { schema, name } = entry;
    const definition = await this.#options.definitions.describe(wish);
    this.#definitions.set(JSON.stringify([schema, name]), { schema, name, definition });
    define(entry, unread, definition);
  }

  /** How the rows of a table id are read; undefined for a table that is not wanted, or not prepared. Throws where no table map described it. */
  rowsOf(body: Buffer): TableRows | undefined {
    const id = readTableId(body);
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry.rows;
    // Marks the end of a statement and holds no rows.
    if (id === DUMMY_ID) return undefined;
    throw new MalformedEvent('rows of a table that no table map described');
  }

  /** What of the rows just read concerns rows that hold: all, but for a table that keeps their history. */
  current(body: Buffer, group: ChangeGroup): readonly ChangeGroup[] {
    return this.#entries.get(readTableId(body))?.versions?.current(group) ?? [group];
  }

  /** A statement passes: the definitions of tables that it may define anew hold no longer. */
  onStatement(schema: string, text: string): void {
    if (this.#definitions.size === 0 || readStatement(text).kind !== 'definition') return;
    for (const [key, known] of this.#definitions) {
      const isIt = (someSchema: string, someName: string) => someSchema === known.schema && someName === known.name;
      if (mayTouch(text, schema, isIt)) this.#definitions.delete(key);
    }
  }

  /** Table ids are given anew with every opening of a table: those of a past file must not gather. */
  clear(): void {
    this.#entries.clear();
  }
}

const DUMMY_ID = 0xff_ff_ff;

/** The columns of which the event says too little: undefined for all; with binlog_row_metadata=FULL some of MariaDB's. */
function unknownColumns({ isFull, columns, primaryKey }: TableMap, flavour: Flavour): readonly string[] | undefined {
  if (!isFull || (flavour === 'mariadb' && mayBeVersioned(columns, primaryKey))) return undefined;
  if (flavour === 'mysql') return [];
  const unsure = columns.filter((column) => mayBeLogical(column) || isOldTemporal(column.type));
  return unsure.map(({ name = '' }) => name);
}

function define(entry: Entry, { map }: UnreadMap, definition: TableDefinition): void {
  const { versions } = definition;
  entry.unread = undefined;
  entry.rows = rowsOfMap(map, entry.columns, definition);
  if (versions !== undefined) entry.versions = new SystemVersions(entry.rows.table, versions);
}

function rowsOfMap(map: TableMap, wanted: ReadonlySet<string> | undefined, definition?: TableDefinition): TableRows {
  const { schema, name } = map;
  const id = `${schema}.${name}`;
  const columns =
    definition === undefined
      ? map.columns.map((column) => ({ ...column, name: column.name ?? '' }))
      : completeColumns(map.columns, definition, id);
  const keyOfMap = map.primaryKey.map((index) => columns[index]?.name ?? '');
  const primaryKey = map.isFull ? keyOfMap : (definition?.primaryKey ?? keyOfMap);
  // When a row of a versioned table held says whether it counts.
  const always = [...primaryKey, ...(definition?.versions === undefined ? [] : [definition.versions.end])];
  const wantsColumn = (column: string): boolean => wanted === undefined || wanted.has(column) || always.includes(column);
  const read = columns.filter((column) => wantsColumn(column.name)).map((column) => ({ name: column.name }));
  return new TableRows({ table: { schema, name, id, columns: read, primaryKey }, columns, wantsColumn });
}

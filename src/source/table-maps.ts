import { readTableMap, readTableName, type TableMap } from '../binlog/table-map.ts';
import { TableRows } from '../binlog/table-rows.ts';
import type { Flavour } from '../binlog/flavour.ts';
import type { ChangeGroup } from '../row/change.ts';
import type { TableFilter } from './contract.ts';
import { mayTouch, readStatement } from './statement.ts';
import { completeColumns, isOldTemporal, mayBeLogical, mayBeVersioned, type TableDefinition } from './table-definition.ts';
import { SystemVersions } from './system-versions.ts';
import type { DefinitionSource, MapPlace } from './table-definitions.ts';

interface Entry {
  /** The table map's body: the same bytes say the same columns. */
  readonly body: Buffer;
  readonly schema: string;
  readonly name: string;
  readonly isWanted: boolean;
  /** Of a wanted table; undefined until its definition is there. */
  rows: TableRows | undefined;
  /** Of a wanted table that keeps its rows' history. */
  versions: SystemVersions | undefined;
}

export interface TableMapsOptions {
  readonly wants: TableFilter;
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

  /** Takes a table map. A promise means that the table's definition is asked for: nothing may come before it is there. */
  note(body: Buffer, flavour: Flavour, at: () => MapPlace): Promise<void> | undefined {
    const { wants } = this.#options;
    const id = readTableId(body);
    const known = this.#entries.get(id);
    if (known !== undefined && known.body.equals(body) && known.isWanted === wants(known.schema, known.name)) return undefined;
    const { schema, name } = readTableName(body);
    const entry: Entry = {
      body: Buffer.from(body),
      schema,
      name,
      isWanted: wants(schema, name),
      rows: undefined,
      versions: undefined,
    };
    this.#entries.set(id, entry);
    if (!entry.isWanted) return undefined;
    const map = readTableMap(body, flavour);
    if (!needsDefinition(map, flavour)) {
      entry.rows = rowsOfMap(map);
      return undefined;
    }
    const key = JSON.stringify([schema, name]);
    const cached = this.#definitions.get(key);
    if (cached !== undefined) {
      define(entry, map, cached.definition);
      return undefined;
    }
    return this.#define(entry, map, at());
  }

  async #define(entry: Entry, map: TableMap, at: MapPlace): Promise<void> {
    const { schema, name } = entry;
    const definition = await this.#options.definitions.describe(schema, name, at);
    this.#definitions.set(JSON.stringify([schema, name]), { schema, name, definition });
    define(entry, map, definition);
  }

  /** How the rows of a table id are read; undefined for a table that is not wanted. Throws where no table map described it. */
  rowsOf(body: Buffer): TableRows | undefined {
    const id = readTableId(body);
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry.rows;
    // Marks the end of a statement and holds no rows.
    if (id === DUMMY_ID) return undefined;
    throw new Error('rows of a table that no table map described');
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

function readTableId(body: Buffer): number {
  return body.readUIntLE(0, 6);
}

/** Without binlog_row_metadata=FULL; and with it where MariaDB's event does not tell types apart. */
function needsDefinition({ isFull, columns, primaryKey }: TableMap, flavour: Flavour): boolean {
  if (!isFull) return true;
  if (flavour === 'mysql') return false;
  return mayBeVersioned(columns, primaryKey) || columns.some((column) => mayBeLogical(column) || isOldTemporal(column.type));
}

function define(entry: Entry, map: TableMap, definition: TableDefinition): void {
  entry.rows = rowsOfMap(map, definition);
  if (definition.versions !== undefined) entry.versions = new SystemVersions(entry.rows.table, definition.versions);
}

function rowsOfMap(map: TableMap, definition?: TableDefinition): TableRows {
  const { schema, name } = map;
  const id = `${schema}.${name}`;
  const columns =
    definition === undefined
      ? map.columns.map((column) => ({ ...column, name: column.name ?? '' }))
      : completeColumns(map.columns, definition, id);
  const keyOfMap = map.primaryKey.map((index) => columns[index]?.name ?? '');
  const primaryKey = map.isFull ? keyOfMap : (definition?.primaryKey ?? keyOfMap);
  const table = { schema, name, id, columns: columns.map((column) => ({ name: column.name })), primaryKey };
  return new TableRows({ table, columns, wantsColumn: () => true });
}

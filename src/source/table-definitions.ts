import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { comparePositions } from '../row/position.ts';
import { maskStatement, mayTouch, readStatement } from './statement.ts';
import type { Query } from './server-link.ts';
import { readTableDefinition, type TableDefinition } from './table-definition.ts';

/** A place in the binlog. */
export interface BinlogPlace {
  readonly file: string;
  readonly offset: number;
}

/** Where rows stand: the event, and the beginning of its transaction, which a scan can begin at. */
export interface RowsPlace extends BinlogPlace {
  readonly transaction: BinlogPlace;
}

/** What an event asks of a table's definition. */
export interface DefinitionWish {
  readonly schema: string;
  readonly table: string;
  readonly at: RowsPlace;
  /** The columns that are not known; undefined: all. */
  readonly columns: readonly string[] | undefined;
}

export interface DefinitionSource {
  /** The definition that a table had at a place. */
  describe(wish: DefinitionWish): Promise<TableDefinition>;
}

interface DefinitionStatement extends BinlogPlace {
  readonly schema: string;
  readonly text: string;
}

export interface TableDefinitionsOptions {
  readonly logger: Logger;
  readonly ask: <T>(use: (query: Query) => Promise<T>) => Promise<T>;
  /** Reads the statements of the binlog from a place to its end; resolves with that end. */
  readonly scan: (from: BinlogPlace, onStatement: (statement: DefinitionStatement) => void) => Promise<BinlogPlace>;
}

/**
 * What tables were at a place in the binlog, for events that do not say it themselves. The server knows only what they are now: that
 * holds for the past as far as no statement between the two has altered the table, which the binlog itself says. So the definition
 * is read first, and then the statements from the place to the binlog's end; each stretch of the binlog is read once.
 */
export class TableDefinitions implements DefinitionSource {
  readonly #options: TableDefinitionsOptions;
  #statements: DefinitionStatement[] = [];
  /** What has been read for statements. */
  #scanned: { readonly from: BinlogPlace; readonly to: BinlogPlace } | undefined;

  constructor(options: TableDefinitionsOptions) {
    this.#options = options;
  }

  /** Throws SOURCE_ROW_METADATA where nobody knows the definition any more. */
  async describe(wish: DefinitionWish): Promise<TableDefinition> {
    const { schema, table, at } = wish;
    const definition = await this.#options.ask((query) => readTableDefinition(query, schema, table));
    await this.#scanFrom(at.transaction);
    const altered = this.#statements.find((statement) => comparePositions(statement, at) > 0 && mayAlter(statement, wish));
    if (definition !== undefined && altered === undefined) return definition;
    const why =
      altered === undefined
        ? `it is not there, or this account may not see it: GRANT SELECT ON \`${schema}\`.* TO the source user`
        : `${maskStatement(altered.text)} at ${altered.file}:${altered.offset}`;
    throw new CodedError(
      'SOURCE_ROW_METADATA',
      `an event of ${schema}.${table} does not describe all of its columns, and what the table was is not known any more (${why}): ` +
        'SET GLOBAL binlog_row_metadata = FULL, reconnect the writers, and give the flow a start behind this event',
      { details: { table: `${schema}.${table}`, position: `${at.file}:${at.offset}` } },
    );
  }

  async #scanFrom(from: BinlogPlace): Promise<void> {
    const scanned = this.#scanned;
    const isInside = scanned !== undefined && comparePositions(scanned.from, from) <= 0 && comparePositions(from, scanned.to) <= 0;
    if (!isInside) this.#statements = [];
    const start = isInside ? scanned.to : from;
    const fields = { from: `${start.file}:${start.offset}` };
    this.#options.logger.info(
      fields,
      'an event does not describe its columns: reading the binlog to its end for statements that alter its table',
    );
    const to = await this.#options.scan(start, (statement) => {
      if (readStatement(statement.text).kind === 'definition') this.#statements.push(statement);
    });
    this.#scanned = { from: isInside ? scanned.from : from, to };
  }
}

/**
 * Whether a statement may have changed what is not known of the table. To alter a column, a statement has to name it; another table may
 * also have taken the name.
 */
function mayAlter(statement: DefinitionStatement, { schema, table, columns }: DefinitionWish): boolean {
  const { text } = statement;
  if (!mayTouch(text, statement.schema, (someSchema, someTable) => someSchema === schema && someTable === table)) return false;
  if (columns === undefined || readStatement(text).verb !== 'ALTER') return true;
  const lower = new Set(columns.map((column) => column.toLowerCase()));
  const isRenamed = /\brename\b/i.test(text);
  return isRenamed || mayTouch(text, '', (_schema, name) => lower.has(name.toLowerCase()));
}

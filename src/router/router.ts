/**
 * The router: which flows want a table's changes.
 *
 * The source asks `wants` for each event's table, so that rows nobody wants are never decoded; the pipeline asks `route` for each group
 * of changes. Both are one lookup in a map after a table's first event.
 *
 * Computed tables and kisflow's own `kis_*` tables are never matched by a wildcard (L9): a flow that reads `shop.*` does not
 * read what flows write into `shop`. An explicit name does match, so flows can be chained through tables.
 */
import { isShadowDatabase } from '../row/shadow-database.ts';
import { CodedError } from '../lib/error.ts';
import { matchesSchema, matchesTable, parseTablePattern, type TablePattern } from './table-pattern.ts';

/** One flow's wish: its name and the patterns under its `source.tables`. */
interface RouterFlow {
  readonly name: string;
  readonly patterns: readonly string[];
}

export interface RouterOptions {
  readonly flows: readonly RouterFlow[];
  /** Tables that flows write, as `db.table`. Leave empty when the store is not on the source's server. */
  readonly computed: ReadonlySet<string>;
  /** The database that holds the `kis_*` tables; '' when the store is not on the source's server. */
  readonly storeDatabase: string;
}

export interface Router {
  /** Names of the flows that want the table, in the order of `flows`; empty when none does. The same array for the same table. */
  route(schema: string, table: string): readonly string[];
  wants(schema: string, table: string): boolean;
}

/** Decides about a table by its two names. */
export type TablePredicate = (schema: string, table: string) => boolean;

/** Above this many tables the cache is emptied, so that a source that makes tables without end does not grow it without end. */
const maxCachedTables = 10_000;

/**
 * Makes one predicate of many patterns; its answers are kept per table. `isReserved` names the tables that no wildcard
 * matches. Throws CONFIG_INVALID on a text that is no pattern.
 */
export function compilePatterns(patterns: readonly string[], isReserved: TablePredicate = () => false): TablePredicate {
  const parsed = patterns.map(requirePattern);
  return cachePerTable((schema, table) =>
    parsed.some((pattern) => matchesTable(pattern, schema, table) && (pattern.isExplicit || !isReserved(schema, table))),
  );
}

/** Whether one of the patterns may take in tables of a schema. Throws CONFIG_INVALID on a text that is no pattern. */
export function compileSchemaPatterns(patterns: readonly string[]): (schema: string) => boolean {
  const parsed = patterns.map(requirePattern);
  return (schema) => parsed.some((pattern) => matchesSchema(pattern, schema));
}

/** Makes the router of these flows. Throws CONFIG_INVALID on a text that is no pattern. */
export function createRouter(options: RouterOptions): Router {
  const isReserved = reservedTables(options.computed, options.storeDatabase);
  const flows = options.flows.map((flow) => ({ name: flow.name, matches: compilePatterns(flow.patterns, isReserved) }));
  const route = cachePerTable((schema, table) => flows.filter((flow) => flow.matches(schema, table)).map((flow) => flow.name));
  return { route, wants: (schema, table) => route(schema, table).length > 0 };
}

/** What wildcards leave out where source and store are one server (L9). `computed`: as `db.table`. */
export function reservedTables(computed: ReadonlySet<string>, storeDatabase: string): TablePredicate {
  return (schema, table) => isOwnTable(storeDatabase, schema, table) || computed.has(`${schema}.${table}`);
}

/** Whether the table is one of kisflow's own in the store's database, or of a flow that is being rebuilt beside it. */
export function isOwnTable(storeDatabase: string, schema: string, table: string): boolean {
  if (storeDatabase === '') return false;
  return schema === storeDatabase ? table.startsWith('kis_') : isShadowDatabase(storeDatabase, schema);
}

function requirePattern(text: string): TablePattern {
  const pattern = parseTablePattern(text);
  if (pattern === undefined) {
    throw new CodedError('CONFIG_INVALID', `"${text}" is no table pattern; write db.table, db.* or a glob such as shop_*.order_?`);
  }
  return pattern;
}

/** Keeps answers in a map per schema: two lookups and no string made for an event. */
function cachePerTable<Answer>(decide: (schema: string, table: string) => Answer): (schema: string, table: string) => Answer {
  const schemas = new Map<string, Map<string, { readonly answer: Answer }>>();
  let size = 0;
  return (schema, table) => {
    const known = schemas.get(schema)?.get(table);
    if (known !== undefined) return known.answer;
    if (size >= maxCachedTables) {
      schemas.clear();
      size = 0;
    }
    const answer = decide(schema, table);
    const tables = schemas.get(schema) ?? new Map<string, { readonly answer: Answer }>();
    schemas.set(schema, tables.set(table, { answer }));
    size += 1;
    return answer;
  };
}

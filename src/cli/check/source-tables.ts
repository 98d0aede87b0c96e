import { nearest } from '../../config/nearest.ts';
import type { FlowSpec } from '../../config/spec.ts';
import type { TablePredicate } from '../../router/router.ts';
import { matchesTable, parseTablePattern, type TablePattern } from '../../router/table-pattern.ts';
import { quote } from '../../source/binlog-places.ts';
import { textOf, type Query } from '../../source/server-link.ts';
import { nameList, type Finding } from './finding.ts';
import { mayOn, quoteAccount, type Grants } from './grants.ts';
import { quoteId } from './store-tables.ts';

/** A column of a source table, with the type that a copy of it needs. */
export interface SourceColumn {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
}

/** A table of the source server that a flow reads. */
export interface SourceTable {
  /** `db.table`. */
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  readonly isView: boolean;
  readonly primaryKey: readonly string[];
}

/** The tables that one flow reads now. */
export interface FlowTables {
  readonly tables: readonly SourceTable[];
  readonly findings: readonly Finding[];
}

/** Every table that the account sees, but the server's own. */
export async function listSourceTables(query: Query): Promise<readonly SourceTable[]> {
  const own = "('mysql', 'information_schema', 'performance_schema', 'sys')";
  const tables = await query(
    `SELECT table_schema AS db, table_name AS name, table_type AS type FROM information_schema.tables WHERE table_schema NOT IN ${own}`,
  );
  const keys = await query(
    `SELECT table_schema AS db, table_name AS name, column_name AS col FROM information_schema.statistics
     WHERE index_name = 'PRIMARY' AND table_schema NOT IN ${own} ORDER BY table_schema, table_name, seq_in_index`,
  );
  const keyOf = groupKeys(keys);
  return tables.map((row) => {
    const [schema, name] = [textOf(row, 'db'), textOf(row, 'name')];
    const id = `${schema}.${name}`;
    return { id, schema, name, isView: textOf(row, 'type') !== 'BASE TABLE', primaryKey: keyOf.get(id) ?? [] };
  });
}

function groupKeys(rows: readonly Readonly<Record<string, unknown>>[]): ReadonlyMap<string, string[]> {
  const keys = new Map<string, string[]>();
  for (const row of rows) {
    const id = `${textOf(row, 'db')}.${textOf(row, 'name')}`;
    keys.set(id, [...(keys.get(id) ?? []), textOf(row, 'col')]);
  }
  return keys;
}

/** The columns of these tables, by `db.table`. */
export async function readSourceColumns(
  query: Query,
  tables: readonly SourceTable[],
): Promise<ReadonlyMap<string, readonly SourceColumn[]>> {
  const columns = new Map<string, SourceColumn[]>();
  if (tables.length === 0) return columns;
  const names = tables.map(({ schema, name }) => `(${quote(schema)}, ${quote(name)})`).join(', ');
  const rows = await query(
    `SELECT table_schema AS db, table_name AS tab, column_name AS name, column_type AS type, is_nullable AS nullable
     FROM information_schema.columns WHERE (table_schema, table_name) IN (${names}) ORDER BY ordinal_position`,
  );
  for (const row of rows) {
    const id = `${textOf(row, 'db')}.${textOf(row, 'tab')}`;
    const column = { name: textOf(row, 'name'), type: textOf(row, 'type'), isNullable: textOf(row, 'nullable') === 'YES' };
    columns.set(id, [...(columns.get(id) ?? []), column]);
  }
  return columns;
}

export interface TableScope {
  readonly all: readonly SourceTable[];
  readonly grants: Grants;
  /** Tables that no wildcard takes in: computed ones, and kisflow's own. */
  readonly isReserved: TablePredicate;
}

/** Which tables a flow reads now, and what is wrong with its patterns and with them. */
export function examineFlowTables(flow: FlowSpec, scope: TableScope): FlowTables {
  const subject = `flow ${flow.flow_name}`;
  const found = new Map<string, SourceTable>();
  const findings: Finding[] = [];
  for (const text of flow.source?.tables ?? []) {
    const pattern = parseTablePattern(text);
    if (pattern === undefined) continue; // a mistake of the configuration, found there
    const matched = scope.all.filter(
      ({ schema, name }) => matchesTable(pattern, schema, name) && (pattern.isExplicit || !scope.isReserved(schema, name)),
    );
    for (const table of matched) if (!table.isView) found.set(table.id, table);
    if (!matched.some(({ isView }) => !isView)) findings.push(absent(pattern, matched, { subject, scope }));
  }
  const keyless = [...found.values()].filter(({ primaryKey }) => primaryKey.length === 0);
  if (keyless.length > 0) findings.push(withoutKey(keyless, subject));
  return { tables: [...found.values()], findings };
}

function absent(
  pattern: TablePattern,
  matched: readonly SourceTable[],
  { subject, scope }: { readonly subject: string; readonly scope: TableScope },
): Finding {
  const [view] = matched;
  const inTables = `# source.tables of ${subject}, ${pattern.text}`;
  if (pattern.isExplicit && view !== undefined) {
    const message = `${view.id} is a view: its changes are in the binlog under the tables that it is made of.`;
    return {
      code: 'SOURCE_TABLE_MISSING',
      severity: 'error',
      subject,
      message,
      remedy: `${inTables}: name the tables that the view is made of`,
    };
  }
  if (
    mayOn(scope.grants, 'SELECT', pattern.isExplicit ? pattern.schema : '*') !== true &&
    mayOn(scope.grants, 'SELECT', pattern.schema) !== true
  ) {
    const message = `No table that ${scope.grants.account} may see is ${pattern.text}: it is not there, or hidden for want of SELECT.`;
    const on = pattern.isExplicit ? quoteId(pattern.text) : '*.*';
    const remedy = `GRANT SELECT ON ${on} TO ${quoteAccount(scope.grants.account)};`;
    return { code: 'SOURCE_TABLE_HIDDEN', severity: 'warning', subject, message, remedy };
  }
  if (pattern.isExplicit) {
    const message = `The table ${pattern.text} does not exist on the source server.`;
    const near = nearest(
      pattern.text,
      scope.all.map(({ id }) => id),
    );
    const remedy =
      near === undefined
        ? `${inTables}: write the name of a table that there is, or take it out`
        : `source: {tables: [${near}]}   # in ${subject}, for ${pattern.text}`;
    return { code: 'SOURCE_TABLE_MISSING', severity: 'error', subject, message, remedy };
  }
  const message = `No table matches ${pattern.text} now.`;
  return {
    code: 'SOURCE_PATTERN_EMPTY',
    severity: 'warning',
    subject,
    message,
    remedy: `${inTables}: correct it, unless its tables are yet to come`,
  };
}

function withoutKey(tables: readonly SourceTable[], subject: string): Finding {
  const names = tables.map(({ id }) => id);
  const message = `${nameList(names)} ${names.length === 1 ? 'has' : 'have'} no primary key, so rows have no identity and no order among themselves.`;
  const remedy = names.map((id) => `ALTER TABLE ${quoteId(id)} ADD PRIMARY KEY (<columns>);`).join('\n');
  return { code: 'SOURCE_TABLE_KEYLESS', severity: 'warning', subject, message, remedy };
}

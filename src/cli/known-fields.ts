import { computedTables, storeDatabaseOf } from '../config/plan.ts';
import type { Configuration } from '../config/configuration.ts';
import type { ConnSpec, FlowSpec, SourceSpec } from '../config/spec.ts';
import { parseTableName } from '../connector/mysql-table.ts';
import type { KnownFields } from '../daemon/operators.ts';
import { fieldOf, unknownFields, type Field, type Fields } from '../flow/operator/field.ts';
import { fieldsOfTables } from '../flow/operator/table-fields.ts';
import { compilePatterns, reservedTables } from '../router/router.ts';
import { parseTablePattern } from '../router/table-pattern.ts';
import { withServer, type Query } from '../source/server-link.ts';
import { connectStore, type StoreConnection } from '../store/connection.ts';
import { parseStoreUrl } from '../store/url.ts';
import { listSourceTables, readSourceColumns } from './check/source-tables.ts';
import { storeDeadlines } from './existing-store.ts';

const connectTimeoutMs = 5000;
/** Of how many tables of one flow the columns are read: a wildcard may take in thousands. */
const tablesMax = 200;

/**
 * Asks source and store for the columns that operators of enabled flows work with. What an account does not see, or what is not
 * there, is not known. Asks nothing where there is no operator. Rejects with the servers' errors.
 */
export async function readKnownFields(configuration: Configuration, signal: AbortSignal): Promise<KnownFields> {
  const flows = [...configuration.flows.values()].filter((flow) => isRun(flow) && hasOperator(configuration, flow));
  const ofFlow = new Map<string, Fields>();
  for (const source of configuration.sources.values()) {
    const readers = flows.filter((flow) => flow.source?.name === source.name);
    if (readers.length > 0) await readFlows({ configuration, source, flows: readers, signal, ofFlow });
  }
  const conns = new Set(flows.flatMap((flow) => flow.flows.flatMap(({ fname }) => operatorConns(configuration, fname))));
  return { ofFlow, ofConnector: await readConnectors(configuration, [...conns]) };
}

/** Whether the daemon runs the flow. */
export function isRun(flow: FlowSpec): boolean {
  return flow.status === 1 && flow.source !== undefined;
}

function hasOperator(configuration: Configuration, flow: FlowSpec): boolean {
  return flow.flows.some(({ fname }) => configuration.funcs.get(fname)?.operator !== undefined);
}

/** The connector of an operator, where its table is in the store. */
function operatorConns(configuration: Configuration, fname: string): readonly ConnSpec[] {
  const func = configuration.funcs.get(fname);
  const conn = func?.operator === undefined ? undefined : configuration.conns.get(func.option.cname ?? '');
  return conn !== undefined && conn.type === 'mysql' && conn.addrs === 'store' && conn.key !== '' ? [conn] : [];
}

interface Readers {
  readonly configuration: Configuration;
  readonly source: SourceSpec;
  readonly flows: readonly FlowSpec[];
  readonly signal: AbortSignal;
  readonly ofFlow: Map<string, Fields>;
}

async function readFlows({ configuration, source, flows, signal, ofFlow }: Readers): Promise<void> {
  const storeDatabase = storeDatabaseOf(configuration);
  const isReserved = reservedTables(computedTables(configuration, storeDatabase), storeDatabase);
  await withServer({ url: source.url, connectTimeoutMs, signal }, async (query) => {
    for (const flow of flows) ofFlow.set(flow.flow_name, await readFlow(query, flow, isReserved));
  });
}

async function readFlow(
  query: Query,
  { source }: FlowSpec,
  isReserved: (schema: string, table: string) => boolean,
): Promise<Fields> {
  const { tables: patterns = [], columns: wanted = [] } = source ?? {};
  const wants = compilePatterns(patterns, isReserved);
  const tables = (await listSourceTables(query)).filter(({ schema, name, isView }) => !isView && wants(schema, name));
  const explicit = patterns.flatMap((text) => parseTablePattern(text) ?? []).filter(({ isExplicit }) => isExplicit);
  const isSeen = explicit.every(({ text }) => tables.some(({ id }) => id === text));
  if (!isSeen || tables.length === 0 || tables.length > tablesMax) return unknownFields;
  const columns = await readSourceColumns(query, tables);
  const fields = tables.map(({ id, primaryKey: key }): [string, Fields] => {
    const read = (columns.get(id) ?? []).filter(({ name }) => wanted.length === 0 || wanted.includes(name) || key.includes(name));
    const known = read.map(({ name, type, isNullable }): [string, Field] => [name, fieldOf(type, isNullable)]);
    return [id, { known: new Map(known), isComplete: true, key }];
  });
  return fieldsOfTables(new Map(fields));
}

async function readConnectors(configuration: Configuration, conns: readonly ConnSpec[]): Promise<ReadonlyMap<string, Fields>> {
  const ofConnector = new Map<string, Fields>();
  const url = configuration.global.store?.url;
  if (conns.length === 0 || url === undefined) return ofConnector;
  const connection = await connectStore({
    address: parseStoreUrl(url),
    ...storeDeadlines,
    hasAutocommit: true,
    usesDatabase: false,
  });
  try {
    for (const conn of conns) ofConnector.set(conn.cname, await readTable(connection, conn.key, storeDatabaseOf(configuration)));
  } finally {
    await connection.close();
  }
  return ofConnector;
}

async function readTable(connection: StoreConnection, key: string, storeDatabase: string): Promise<Fields> {
  const { database, table } = parseTableName(key, storeDatabase);
  const { rows } = await connection.query(
    `SELECT column_name AS name, column_type AS type, is_nullable AS nullable FROM information_schema.columns
     WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`,
    [database, table],
  );
  if (rows.length === 0) return unknownFields;
  const known = rows.map((row): [string, Field] => [String(row['name']), fieldOf(String(row['type']), row['nullable'] === 'YES')]);
  return { known: new Map(known), isComplete: true };
}

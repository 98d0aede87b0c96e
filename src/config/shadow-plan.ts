/**
 * What a rebuild needs to know of the configuration: which tables a flow computes, whether they can be computed anew beside the live
 * ones, and the flow's configuration as it is run there.
 */
import { CodedError } from '../lib/error.ts';
import type { Configuration } from './configuration.ts';
import { flowGraph, isInStore, type TableWrite } from './plan.ts';
import type { ConnSpec, FlowSpec, FuncSpec } from './spec.ts';
import { tablesOfFlow } from './table-policy.ts';

interface Step {
  readonly func: FuncSpec;
  readonly conn: ConnSpec;
}

/** The names of the tables that the flow computes. Throws REBUILD_IMPOSSIBLE where they cannot be put in the place of the live ones. */
export function tablesToRebuild(configuration: Configuration, flow: FlowSpec, storeDatabase: string): readonly string[] {
  return requirePossible(flow, whyNotRebuilt(configuration, flow, storeDatabase), () =>
    tablesOf(configuration, flow, storeDatabase),
  );
}

/** The names of the tables that the flow computes. Throws REBUILD_IMPOSSIBLE where they cannot be computed anew beside the live ones. */
export function tablesInShadow(configuration: Configuration, flow: FlowSpec, storeDatabase: string): readonly string[] {
  return requirePossible(flow, whyNotInShadow(configuration, flow, storeDatabase), () =>
    tablesOf(configuration, flow, storeDatabase),
  );
}

/** Throws REBUILD_IMPOSSIBLE where other flows write tables of this one's. */
export function requireOwnTables(flow: Pick<FlowSpec, 'flow_name'>, shared: ReadonlyMap<string, string>): void {
  requirePossible(flow, whyShared(flow, shared), () => undefined);
}

/** Why the flow's tables cannot be put in the place of the live ones, as far as the configuration tells; undefined: they can. */
export function whyNotRebuilt(configuration: Configuration, flow: FlowSpec, storeDatabase: string): string | undefined {
  return whyNotInShadow(configuration, flow, storeDatabase) ?? whyShared(flow, sharedTables(configuration, flow, storeDatabase));
}

/** They would be swapped as a whole. */
function whyShared({ flow_name: flow }: Pick<FlowSpec, 'flow_name'>, shared: ReadonlyMap<string, string>): string | undefined {
  const [first] = shared;
  if (first === undefined) return undefined;
  const [table, other] = first;
  return `the flow ${other} writes ${table} too, and what it has written there would be lost; kisflow verify ${flow} --repair mends the columns that ${flow} owns there`;
}

function whyNotInShadow(configuration: Configuration, flow: FlowSpec, storeDatabase: string): string | undefined {
  if (flow.source === undefined) return 'it has no source: a program feeds it, and its rows are not kept';
  if (flow.status === 0) return 'it is disabled (status: 0), so no daemon runs it';
  const steps = stepsOf(configuration, flow);
  for (const step of steps) {
    const why = whyNotStep(step, storeDatabase);
    if (why !== undefined) return why;
  }
  if (writesOf(configuration, flow, storeDatabase).length === 0)
    return 'it writes no table of the store with a Save function, so there is nothing to compute anew';
  const shared = sharedTables(configuration, flow, storeDatabase);
  const load = steps.find(({ func, conn }) => func.fmode === 'Load' && isInStore(conn) && shared.has(conn.key));
  if (load === undefined) return undefined;
  const other = shared.get(load.conn.key) ?? '';
  return `${load.func.fname} reads ${load.conn.key}, of which the flow ${other} writes other columns, and these are not beside what is computed anew`;
}

function requirePossible<T>({ flow_name: flow }: Pick<FlowSpec, 'flow_name'>, why: string | undefined, give: () => T): T {
  if (why === undefined) return give();
  throw new CodedError('REBUILD_IMPOSSIBLE', `Flow ${flow} cannot be rebuilt: ${why}.`);
}

function tablesOf(configuration: Configuration, flow: FlowSpec, storeDatabase: string): readonly string[] {
  return tablesOfFlow(configuration, flow.flow_name, storeDatabase)
    .map((id) => id.slice(storeDatabase.length + 1))
    .toSorted();
}

/**
 * Of the tables that the flow computes those that another one writes, too, with its name. Also one that is disabled: what it has written stays its
 * own; unless it would write the same columns, and so has left them to this one.
 */
export function sharedTables(configuration: Configuration, flow: FlowSpec, storeDatabase: string): ReadonlyMap<string, string> {
  const own = writesOf(configuration, flow, storeDatabase);
  const enabled = [...configuration.flows].map(([name, other]) => [name, { ...other, status: 1 as const }] as const);
  const shared = new Map<string, string>();
  for (const other of flowGraph({ ...configuration, flows: new Map(enabled) }, { storeDatabase, isOnStoreServer: () => false })) {
    if (other.flow === flow.flow_name) continue;
    const isDisabled = configuration.flows.get(other.flow)?.status === 0;
    for (const write of other.writes) {
      const common = own.filter(({ table }) => table === write.table);
      if (common.length === 0 || (isDisabled && !common.every((one) => isApart(one, write)))) continue;
      shared.set(write.table.slice(storeDatabase.length + 1), other.flow);
    }
  }
  return shared;
}

/** Both say which columns they own, and share none. */
function isApart({ columns: one }: TableWrite, { columns: other }: TableWrite): boolean {
  return one !== undefined && other !== undefined && [...one].every((column) => !other.has(column));
}

/** Of each table that the flow computes, the columns that it owns besides those of its key, lower case; undefined: all of them. */
export function ownedColumns(
  configuration: Configuration,
  flow: FlowSpec,
  storeDatabase: string,
): ReadonlyMap<string, ReadonlySet<string> | undefined> {
  const owned = new Map<string, ReadonlySet<string> | undefined>();
  for (const { table: id, fname, columns: declared } of writesOf(configuration, flow, storeDatabase)) {
    const columns = declared ?? fieldsOf(configuration.funcs.get(fname));
    const table = id.slice(storeDatabase.length + 1);
    const known = owned.get(table);
    const isWhole = columns === undefined || (owned.has(table) && known === undefined);
    owned.set(table, isWhole ? undefined : new Set([...(known ?? []), ...columns]));
  }
  return owned;
}

/** An aggregate leaves columns alone that are none of its fields; its key is the table's. */
function fieldsOf(func: FuncSpec | undefined): ReadonlySet<string> | undefined {
  const operator = func?.operator;
  return operator?.kind === 'aggregate' ? new Set(Object.keys(operator.fields).map((name) => name.toLowerCase())) : undefined;
}

function writesOf(configuration: Configuration, flow: FlowSpec, storeDatabase: string): readonly TableWrite[] {
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: () => false });
  return graph.find((node) => node.flow === flow.flow_name)?.writes ?? [];
}

function whyNotStep({ func, conn }: Step, storeDatabase: string): string | undefined {
  const isLoad = func.fmode === 'Load';
  if (!isInStore(conn)) {
    if (isLoad) return undefined;
    return `${func.fname} uses ${conn.cname}, which is outside the store, and what is written there cannot be swapped`;
  }
  if (func.fmode === 'Save' && conn.params['mode'] === 'update') {
    return `${conn.cname} has mode: update, so ${conn.key} has rows that the flow did not make, and computed anew it would have none; kisflow snapshot has the flow compute all rows of its source again`;
  }
  if (conn.key.includes('.') && (!isLoad || conn.key.startsWith(`${storeDatabase}.`))) {
    return `the key of ${conn.cname} names a database (${conn.key}); write the table's name alone, so that it is found in the shadow as well`;
  }
  return undefined;
}

/**
 * The configuration with this flow alone. A table that its functions only load, and that it does not compute, is read where it is: what
 * stands for it in the shadow is a view, which has no keys.
 */
export function configurationInShadow(
  configuration: Configuration,
  flow: FlowSpec,
  { storeDatabase, tables }: { readonly storeDatabase: string; readonly tables: readonly string[] },
): Configuration {
  const steps = stepsOf(configuration, flow);
  const isLoaded = (conn: ConnSpec): boolean =>
    isInStore(conn) &&
    !conn.key.includes('.') &&
    !storeDatabase.includes('.') &&
    !tables.includes(conn.key) &&
    steps.every((step) => step.conn !== conn || step.func.fmode === 'Load');
  const conns = [...configuration.conns].map(
    ([name, conn]) => [name, isLoaded(conn) ? { ...conn, key: `${storeDatabase}.${conn.key}` } : conn] as const,
  );
  return { ...configuration, flows: new Map([[flow.flow_name, flow]]), conns: new Map(conns) };
}

/** Its functions that have a connector. */
export function stepsOf(configuration: Configuration, flow: FlowSpec): readonly Step[] {
  return flow.flows.flatMap(({ fname }) => {
    const func = configuration.funcs.get(fname);
    const conn = configuration.conns.get(func?.option.cname ?? '');
    return func === undefined || conn === undefined ? [] : [{ func, conn }];
  });
}

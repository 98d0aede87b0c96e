/**
 * What a rebuild needs to know of the configuration: which tables a flow computes, whether they can be computed anew beside the live
 * ones, and the flow's configuration as it is run there.
 */
import { CodedError } from '../lib/error.ts';
import type { Configuration } from './configuration.ts';
import { flowGraph, isInStore } from './plan.ts';
import type { ConnSpec, FlowSpec, FuncSpec } from './spec.ts';
import { tablesOfFlow } from './table-policy.ts';

interface Step {
  readonly func: FuncSpec;
  readonly conn: ConnSpec;
}

/** The names of the tables that the flow computes. Throws REBUILD_IMPOSSIBLE where they cannot be computed anew beside the live ones. */
export function tablesToRebuild(configuration: Configuration, flow: FlowSpec, storeDatabase: string): readonly string[] {
  const why = whyNotRebuilt(configuration, flow, storeDatabase);
  if (why !== undefined) throw new CodedError('REBUILD_IMPOSSIBLE', `Flow ${flow.flow_name} cannot be rebuilt: ${why}.`);
  return tablesOfFlow(configuration, flow.flow_name, storeDatabase)
    .map((id) => id.slice(storeDatabase.length + 1))
    .toSorted();
}

/** Why the flow's tables cannot be computed anew beside the live ones, as far as the configuration tells; undefined: they can. */
export function whyNotRebuilt(configuration: Configuration, flow: FlowSpec, storeDatabase: string): string | undefined {
  const name = flow.flow_name;
  if (flow.source === undefined) return 'it has no source: a program feeds it, and its rows are not kept';
  for (const step of stepsOf(configuration, flow)) {
    const why = whyNotStep(step, storeDatabase);
    if (why !== undefined) return why;
  }
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: () => false });
  const own = new Set(graph.find((node) => node.flow === name)?.writes.map(({ table }) => table));
  if (own.size === 0) return 'it writes no table of the store with a Save function, so there is nothing to compute anew';
  for (const other of graph) {
    const shared = other.flow === name ? undefined : other.writes.find(({ table }) => own.has(table));
    if (shared === undefined) continue;
    return `the flow ${other.flow} writes ${shared.table} too, and what it has written there would be lost; let each have a table of its own, or pause both and compute both anew`;
  }
  return undefined;
}

/** Of each table that the flow computes, the columns that it owns, lower case; undefined: all of them. */
export function ownedColumns(
  configuration: Configuration,
  flow: FlowSpec,
  storeDatabase: string,
): ReadonlyMap<string, ReadonlySet<string> | undefined> {
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: () => false });
  const owned = new Map<string, ReadonlySet<string> | undefined>();
  for (const { table: id, columns } of graph.find((node) => node.flow === flow.flow_name)?.writes ?? []) {
    const table = id.slice(storeDatabase.length + 1);
    const known = owned.get(table);
    const isWhole = columns === undefined || (owned.has(table) && known === undefined);
    owned.set(table, isWhole ? undefined : new Set([...(known ?? []), ...columns]));
  }
  return owned;
}

function whyNotStep({ func, conn }: Step, storeDatabase: string): string | undefined {
  const isLoad = func.fmode === 'Load';
  if (!isInStore(conn)) {
    if (isLoad) return undefined;
    return `${func.fname} uses ${conn.cname}, which is outside the store, and what is written there cannot be swapped`;
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

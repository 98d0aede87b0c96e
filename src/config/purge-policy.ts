/**
 * Where `on_purged: snapshot` can be done: where the flow can be rebuilt, a snapshot computes what its tables are to hold, and nobody has
 * to know which rows of them differ.
 */
import type { Configuration } from './configuration.ts';
import { flowGraph, isInStore, isSameServer, storeDatabaseOf } from './plan.ts';
import { stepsOf, whyNotRebuilt } from './shadow-plan.ts';
import type { FlowSpec } from './spec.ts';

/** Why the flow cannot be computed anew by itself, to go on behind "is snapshot, and"; undefined: it can, or is not to be. */
export function whyNotMended(
  configuration: Configuration,
  written: FlowSpec,
  functionNames: ReadonlySet<string> | undefined,
): string | undefined {
  const { source } = written;
  if (source?.on_purged !== 'snapshot') return undefined;
  if (source.start !== 'snapshot') {
    return `its start is ${source.start}: its tables hold what has changed from there on, and a snapshot would make them hold every row`;
  }
  const storeDatabase = storeDatabaseOf(configuration);
  if (storeDatabase === '' || hasOtherMistakes(configuration, written)) return undefined;
  // one that is disabled now may be enabled while the daemon runs
  const flow: FlowSpec = { ...written, status: 1 };
  const all = { ...configuration, flows: new Map([...configuration.flows, [flow.flow_name, flow]]) };
  return whyNotRebuilt(all, flow, storeDatabase) ?? whyOutside(all, flow, functionNames) ?? whyRead(all, flow, storeDatabase);
}

/** Functions and connectors that are not there are mistakes of their own. */
function hasOtherMistakes(configuration: Configuration, flow: FlowSpec): boolean {
  if (flow.flows.length === 0) return true;
  return flow.flows.some(({ fname }) => {
    const func = configuration.funcs.get(fname);
    return func === undefined || (func.option.cname !== undefined && !configuration.conns.has(func.option.cname));
  });
}

/** Code may write by a connector that it is to load by. */
function whyOutside(
  configuration: Configuration,
  flow: FlowSpec,
  functionNames: ReadonlySet<string> | undefined,
): string | undefined {
  const outside = stepsOf(configuration, flow).find(
    ({ func, conn }) => functionNames?.has(func.fname) === true && !isInStore(conn),
  );
  if (outside === undefined) return undefined;
  const { func, conn } = outside;
  return `${func.fname} is code that uses ${conn.cname}, which is outside the store, and what is written there cannot be swapped`;
}

/** A swap is a RENAME: a flow that reads the tables by the binlog gets none of the rows that differ. */
function whyRead(configuration: Configuration, flow: FlowSpec, storeDatabase: string): string | undefined {
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: (source) => isSameServer(configuration, source) });
  const own = graph.find((node) => node.flow === flow.flow_name)?.writes ?? [];
  for (const node of graph) {
    const read = node.reads.find(({ table }) => own.some((write) => write.table === table));
    if (read !== undefined) return `the flow ${node.flow} reads ${read.table}, and would not be told which rows of it differ`;
  }
  return undefined;
}

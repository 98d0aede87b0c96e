/**
 * Where `on_truncate: apply` and `on_drop: apply` can be done: where the flow's computed tables hold what its one source table
 * holds and nothing else, so that no row of it means no row of them.
 */
import { parseTablePattern } from '../router/table-pattern.ts';
import type { Configuration } from './configuration.ts';
import { flowGraph, isInStore, storeDatabaseOf } from './plan.ts';
import type { FlowSpec } from './spec.ts';

/** The tables of the store that a flow writes, as `db.table`. */
export function tablesOfFlow(configuration: Configuration, flow: string, storeDatabase: string): readonly string[] {
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: () => false });
  const writes = graph.find((node) => node.flow === flow)?.writes ?? [];
  return [...new Set(writes.map(({ table }) => table))];
}

/** The key whose `apply` cannot be done, and why; undefined where there is none. */
export function whyNotApplied(
  configuration: Configuration,
  flow: FlowSpec,
  functionNames: ReadonlySet<string> | undefined,
): { readonly path: string; readonly message: string } | undefined {
  const { source } = flow;
  const key = source?.on_truncate === 'apply' ? 'on_truncate' : source?.on_drop === 'apply' ? 'on_drop' : undefined;
  if (source === undefined || key === undefined) return undefined;
  const why = whyNoMirror(configuration, flow, functionNames);
  if (why === undefined) return undefined;
  return { path: `source.${key}`, message: `is apply, which deletes every row of the computed tables, and ${why}` };
}

function whyNoMirror(
  configuration: Configuration,
  flow: FlowSpec,
  functionNames: ReadonlySet<string> | undefined,
): string | undefined {
  const { tables = [], rows } = flow.source ?? {};
  const [only, ...others] = tables;
  if (others.length > 0 || parseTablePattern(only ?? '')?.isExplicit === false) {
    return 'their rows may come from other source tables too: the flow reads more than one';
  }
  if (rows !== 'change') return 'the flow keeps deleted rows: rows is after';
  for (const { fname } of flow.flows) {
    const why = whyNoSave(configuration, fname, functionNames);
    if (why !== undefined) return why;
  }
  return whyShared(configuration, flow);
}

/** A plain Save writes each row as it is, to a table of the store. */
function whyNoSave(
  configuration: Configuration,
  fname: string,
  functionNames: ReadonlySet<string> | undefined,
): string | undefined {
  const func = configuration.funcs.get(fname);
  if (func === undefined) return undefined; // a mistake of its own
  const hasCode = functionNames?.has(fname) === true || func.operator !== undefined;
  if (func.fmode !== 'Save' || hasCode)
    return `${fname} is no Save function without code: what it computes from the rows is its own`;
  const conn = configuration.conns.get(func.option.cname ?? '');
  if (conn === undefined) return undefined;
  if (!isInStore(conn)) return `${conn.cname} writes outside the store, where nothing can be deleted with the checkpoint`;
  if (conn.params['mode'] === 'update') return `${conn.cname} only updates rows that others insert (mode: update)`;
  return undefined;
}

function whyShared(configuration: Configuration, flow: FlowSpec): string | undefined {
  const graph = flowGraph(configuration, { storeDatabase: storeDatabaseOf(configuration), isOnStoreServer: () => false });
  const own = graph.find((node) => node.flow === flow.flow_name)?.writes ?? [];
  const part = own.find(({ columns }) => columns !== undefined);
  if (part !== undefined) return `the flow owns only some columns of ${part.table}`;
  for (const node of graph) {
    const shared = node.writes.find(({ table }) => node.flow !== flow.flow_name && own.some((write) => write.table === table));
    if (shared !== undefined) return `the flow ${node.flow} writes ${shared.table} too`;
  }
  return undefined;
}

/**
 * What the configuration says about tables: which are computed, which flow reads and writes which, and where that breaks L9 or
 * L10. Pure: `loadConfiguration` asks with what URLs tell, `check` asks again once it knows which servers really are one.
 */
import { isOwnTable } from '../router/router.ts';
import { parseTablePattern } from '../router/table-pattern.ts';
import type { Configuration } from './configuration.ts';
import type { ConnSpec, FlowFunctionSpec, SourceSpec } from './spec.ts';

/** A table of the store that a flow's Save function writes. */
export interface TableWrite {
  /** `db.table`. */
  readonly table: string;
  readonly fname: string;
  /** Index in the flow's `flows`. */
  readonly step: number;
  /** The columns that the flow owns, lower case, from the parameter `columns`; undefined: all of them. */
  readonly columns: ReadonlySet<string> | undefined;
}

/** A table that a flow names in full. Wildcards never read a computed table, so they are not here. */
export interface TableRead {
  readonly table: string;
  /** Index in the flow's `source.tables`. */
  readonly index: number;
}

/** An enabled flow as cycles and owners see it. */
export interface FlowNode {
  readonly flow: string;
  /** Tables on the store's own server only: a table of the same name elsewhere is another table. */
  readonly reads: readonly TableRead[];
  readonly writes: readonly TableWrite[];
}

/** Flows that feed each other in a ring: each writes `table`, which the next one (after the last: the first) reads. */
export type FlowCycle = readonly { readonly flow: string; readonly table: string }[];

/** Two flows that write the same column. */
export interface OwnerClash {
  readonly table: string;
  readonly first: { readonly flow: string; readonly step: number };
  readonly second: { readonly flow: string; readonly step: number };
  /** The columns that both declare; empty when one of them declares none and so owns all. */
  readonly columns: readonly string[];
}

/** The database that the store's url names; '' without a store. */
export function storeDatabaseOf(configuration: Pick<Configuration, 'global'>): string {
  const url = configuration.global.store?.url;
  return url === undefined ? '' : decodeURIComponent(new URL(url).pathname.slice(1));
}

/** Every table of the store that a Save function writes through a mysql connector, as `db.table`. */
export function computedTables(configuration: Configuration, storeDatabase: string): ReadonlySet<string> {
  const tables = new Set<string>();
  for (const func of configuration.funcs.values()) {
    const conn = func.fmode === 'Save' ? configuration.conns.get(func.option.cname ?? '') : undefined;
    if (conn !== undefined && isStoreTable(conn)) tables.add(qualify(conn.key, storeDatabase));
  }
  return tables;
}

/** Whether source and store have the same host and port, as far as their URLs tell. */
export function isSameServer(configuration: Pick<Configuration, 'global'>, source: SourceSpec): boolean {
  const store = configuration.global.store?.url;
  return store !== undefined && serverOf(store) === serverOf(source.url);
}

/** Which enabled flow reads and writes which tables of the store's server. `isOnStoreServer` says which sources are that server. */
export function flowGraph(
  configuration: Configuration,
  options: { readonly storeDatabase: string; readonly isOnStoreServer: (source: SourceSpec) => boolean },
): readonly FlowNode[] {
  const nodes: FlowNode[] = [];
  for (const flow of configuration.flows.values()) {
    if (flow.status === 0) continue;
    const source = flow.source === undefined ? undefined : configuration.sources.get(flow.source.name);
    const isOnStore = source !== undefined && options.isOnStoreServer(source);
    nodes.push({
      flow: flow.flow_name,
      reads: isOnStore ? explicitTables(flow.source?.tables ?? []) : [],
      writes: flow.flows.flatMap((step, index) =>
        tableWrites({ configuration, step, index, storeDatabase: options.storeDatabase }),
      ),
    });
  }
  return nodes;
}

/** The shortest ring through each flow that is in one, each ring once. A flow that reads its own table is a ring of one. */
export function findCycles(graph: readonly FlowNode[]): readonly FlowCycle[] {
  const cycles: FlowCycle[] = [];
  const shown = new Set<string>();
  for (const node of graph) {
    if (shown.has(node.flow)) continue;
    const cycle = shortestCycle(graph, node);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    for (const { flow } of cycle) shown.add(flow);
  }
  return cycles;
}

/** Reads of kisflow's own tables, which every batch writes. */
export function ownTableReads(
  graph: readonly FlowNode[],
  storeDatabase: string,
): readonly { readonly flow: string; readonly read: TableRead }[] {
  return graph.flatMap((node) =>
    node.reads.filter((read) => isOwn(read.table, storeDatabase)).map((read) => ({ flow: node.flow, read })),
  );
}

/** Pairs of flows that write the same column of the same table (L10), one entry a pair and table. */
export function findOwnerClashes(graph: readonly FlowNode[]): readonly OwnerClash[] {
  return graph.flatMap((first, index) => graph.slice(index + 1).flatMap((second) => clashesBetween(first, second)));
}

function clashesBetween(first: FlowNode, second: FlowNode): OwnerClash[] {
  const clashes = new Map<string, OwnerClash>();
  for (const one of first.writes) {
    for (const other of second.writes) {
      const clash = one.table === other.table ? clashOf({ first, one, second, other }) : undefined;
      if (clash !== undefined && !clashes.has(clash.table)) clashes.set(clash.table, clash);
    }
  }
  return [...clashes.values()];
}

/** Undefined when both writes say which columns they own and share none. */
function clashOf(pair: {
  readonly first: FlowNode;
  readonly one: TableWrite;
  readonly second: FlowNode;
  readonly other: TableWrite;
}): OwnerClash | undefined {
  const { first, one, second, other } = pair;
  const isDeclared = one.columns !== undefined && other.columns !== undefined;
  const columns = isDeclared ? sharedOf(one.columns, other.columns) : [];
  if (isDeclared && columns.length === 0) return undefined;
  return {
    table: one.table,
    first: { flow: first.flow, step: one.step },
    second: { flow: second.flow, step: other.step },
    columns,
  };
}

function sharedOf(one: ReadonlySet<string>, other: ReadonlySet<string>): string[] {
  return [...one].filter((column) => other.has(column)).sort();
}

/** Breadth first from a flow along "writes what the next one reads", back to the flow. */
function shortestCycle(graph: readonly FlowNode[], start: FlowNode): FlowCycle | undefined {
  const reached = new Set<FlowNode>();
  const queue: { readonly node: FlowNode; readonly cycle: FlowCycle }[] = [{ node: start, cycle: [] }];
  for (const { node, cycle } of queue) {
    for (const { next, table } of readersOf(graph, node)) {
      const grown = [...cycle, { flow: node.flow, table }];
      if (next === start) return grown;
      if (!reached.has(next)) queue.push({ node: next, cycle: grown });
      reached.add(next);
    }
  }
  return undefined;
}

function readersOf(graph: readonly FlowNode[], writer: FlowNode): { readonly next: FlowNode; readonly table: string }[] {
  return writer.writes.flatMap(({ table }) =>
    graph.filter((node) => node.reads.some((read) => read.table === table)).map((next) => ({ next, table })),
  );
}

function tableWrites(options: {
  readonly configuration: Configuration;
  readonly step: FlowFunctionSpec;
  readonly index: number;
  readonly storeDatabase: string;
}): TableWrite[] {
  const { configuration, step, index, storeDatabase } = options;
  const func = configuration.funcs.get(step.fname);
  const conn = configuration.conns.get(func?.option.cname ?? '');
  if (func?.fmode !== 'Save' || conn === undefined || !isStoreTable(conn)) return [];
  const columns = step.params.columns ?? func.option.default_params.columns ?? conn.params.columns;
  return [{ table: qualify(conn.key, storeDatabase), fname: step.fname, step: index, columns: columnSet(columns) }];
}

function columnSet(columns: string | undefined): ReadonlySet<string> | undefined {
  const names = (columns ?? '').split(',').map((column) => column.trim().toLowerCase());
  const given = names.filter((column) => column !== '');
  return given.length === 0 ? undefined : new Set(given);
}

function explicitTables(tables: readonly string[]): TableRead[] {
  return tables.flatMap((text, index) => {
    const pattern = parseTablePattern(text);
    return pattern?.isExplicit === true ? [{ table: pattern.text, index }] : [];
  });
}

/** Whether the connector writes inside the store's transaction, which makes what it writes exactly once. */
export function isInStore(conn: ConnSpec): boolean {
  return (conn.type === 'mysql' || conn.type === 'tidb') && conn.addrs === 'store';
}

function isStoreTable(conn: ConnSpec): boolean {
  return isInStore(conn) && conn.key !== '';
}

function isOwn(table: string, storeDatabase: string): boolean {
  const [schema = '', name = ''] = table.split('.');
  return isOwnTable(storeDatabase, schema, name);
}

function qualify(key: string, storeDatabase: string): string {
  return key.includes('.') ? key : `${storeDatabase}.${key}`;
}

function serverOf(address: string): string {
  const url = new URL(address);
  const host = url.hostname.toLowerCase().replace(/^(localhost|\[::1\])$/, '127.0.0.1');
  return `${host}:${url.port || '3306'}`;
}

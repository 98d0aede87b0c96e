import type { Configuration } from '../../config/configuration.ts';
import { unknownName } from '../../config/unknown-name.ts';
import { computedTables, flowGraph } from '../../config/plan.ts';
import type { Store } from '../../store/open.ts';
import { readFlowStatus, type FlowStatus } from './flow-status.ts';

/** Who writes a computed table. */
export interface TableOwner {
  readonly status: FlowStatus;
  /** The columns that the flow owns, lower case; undefined: all of them. */
  readonly columns: ReadonlySet<string> | undefined;
}

/** A table that flows of the configuration write into the store. */
export interface ComputedTable {
  /** `db.table`. */
  readonly id: string;
  /** Enabled flows that write it, in the configuration's order. */
  readonly owners: readonly TableOwner[];
}

/** The tables that Save functions of the configuration write into the store, by name. */
export async function findComputedTables(configuration: Configuration, store: Store): Promise<readonly ComputedTable[]> {
  const states = new Map((await readFlowStatus(configuration, store, { deadRowsMax: 1 })).map((status) => [status.flow, status]));
  const graph = flowGraph(configuration, { storeDatabase: store.database, isOnStoreServer: () => false });
  return [...computedTables(configuration, store.database)].sort().map((id) => ({
    id,
    owners: graph.flatMap(({ flow, writes }) => {
      const write = writes.find(({ table }) => table === id);
      const status = states.get(flow);
      return write === undefined || status === undefined ? [] : [{ status, columns: write.columns }];
    }),
  }));
}

/** A table is known by `db.table`, and in the store's own database by its name alone. Throws NAME_UNKNOWN. */
export function findTable(name: string, tables: readonly ComputedTable[], database: string): ComputedTable {
  const id = name.includes('.') ? name : `${database}.${name}`;
  const found = tables.find((table) => table.id === id);
  if (found !== undefined) return found;
  const names = tables.map((table) => (name.includes('.') ? table.id : table.id.replace(`${database}.`, '')));
  throw unknownName('table', name, names);
}

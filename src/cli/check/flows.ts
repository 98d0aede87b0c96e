import type { Configuration } from '../../config/configuration.ts';
import { findCycles, flowGraph, isInStore, isSameServer, ownTableReads, storeDatabaseOf } from '../../config/plan.ts';
import type { FlowSpec, SourceSpec } from '../../config/spec.ts';
import { examineCopy, examineMissing, type CopyingFlow, type CopyOrigin } from './copy-columns.ts';
import { nameList, type Finding } from './finding.ts';
import { isSamePlace } from './server-place.ts';
import type { ExaminedSource } from './source.ts';
import type { ExaminedStore } from './store.ts';

/** All that was found out, put together. */
export interface FlowScope {
  readonly configuration: Configuration;
  readonly store: ExaminedStore;
  readonly sources: readonly ExaminedSource[];
  readonly copying: readonly CopyingFlow[];
}

/** What shows only when source, store and flows are seen together: echoes, columns, guarantees. */
export function examineFlows(scope: FlowScope): readonly Finding[] {
  return [...examineServers(scope), ...examineEchoes(scope), ...examineTables(scope), ...examineGuarantees(scope.configuration)];
}

/** Whether a source and the store are one server, and whether the configuration can know. */
function examineServers({ configuration, store, sources }: FlowScope): readonly Finding[] {
  return sources.flatMap(({ spec, place }): Finding[] => {
    if (place === undefined || store.place === undefined) return [];
    const subject = `source ${spec.name}`;
    if (isSamePlace(place, store.place)) {
      if (isSameServer(configuration, spec)) return [];
      const message = 'Source and store are one server under two addresses; kisflow takes them for one only when the urls say so.';
      const remedy = `-- write the same host and port in the url of source ${spec.name} and in store.url`;
      return [{ code: 'SERVER_TWO_ADDRESSES', severity: 'warning', subject, message, remedy }];
    }
    if (place.identity !== store.place.identity) return [];
    const message = `Source and store are two servers with one identity (${place.identity}): a position of one passes for a position of the other.`;
    const remedy = place.identity.startsWith('server_id:')
      ? 'SET GLOBAL server_id = <a number of its own>; -- on one of them, and in its configuration file'
      : '-- remove auto.cnf from the data directory of the copied server and restart it';
    return [{ code: 'SERVER_ID_SHARED', severity: 'warning', subject, message, remedy }];
  });
}

/** L9 by the servers themselves; what the urls tell is a mistake of the configuration and was found there. */
function examineEchoes({ configuration, store, sources }: FlowScope): readonly Finding[] {
  const storeDatabase = storeDatabaseOf(configuration);
  const isOnStoreServer = (spec: SourceSpec): boolean => {
    const place = sources.find((source) => source.spec.name === spec.name)?.place;
    return (
      isSameServer(configuration, spec) || (place !== undefined && store.place !== undefined && isSamePlace(place, store.place))
    );
  };
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer });
  const cycles = findCycles(graph).map((cycle): Finding => {
    const way = cycle.map(({ flow, table }) => `${flow} → ${table}`).join(' → ');
    const first = cycle[0]?.flow ?? '';
    const message = `The flow reads what it writes: ${way} → ${first}.`;
    const remedy = `-- take ${cycle.at(-1)?.table ?? ''} out of source.tables of flow ${first}, or write to another table`;
    return { code: 'FLOW_CYCLE', severity: 'error', subject: `flow ${first}`, message, remedy };
  });
  const own = ownTableReads(graph, storeDatabase).map(({ flow, read }): Finding => {
    const message = `${read.table} is kisflow's own and changes with every batch.`;
    return {
      code: 'FLOW_CYCLE',
      severity: 'error',
      subject: `flow ${flow}`,
      message,
      remedy: `-- take it out of source.tables of flow ${flow}`,
    };
  });
  return [...cycles, ...own];
}

function examineTables({ configuration, store, sources, copying }: FlowScope): readonly Finding[] {
  const graph = flowGraph(configuration, { storeDatabase: storeDatabaseOf(configuration), isOnStoreServer: () => false });
  const partsOf = (flow: FlowSpec) => {
    const source = sources.find(({ spec }) => spec.name === flow.source?.name);
    return { tables: source?.tables.get(flow.flow_name) ?? [], columns: source?.columns ?? new Map<string, never[]>() };
  };
  const originOf = (id: string): CopyOrigin | undefined => {
    const copy = copying.find(({ tables }) => tables.includes(id));
    const parts = copy === undefined ? undefined : partsOf(copy.flow);
    const [only, ...others] = parts?.tables ?? [];
    const columns = only === undefined ? undefined : parts?.columns.get(only.id);
    return only === undefined || others.length > 0 || columns === undefined ? undefined : { source: only, columns };
  };
  const missing = store.computed.flatMap((look) => {
    const writers = graph.filter(({ writes }) => writes.some(({ table }) => table === look.id)).map(({ flow }) => flow);
    return examineMissing(look, writers, originOf(look.id));
  });
  const copied = copying.flatMap((copy) => {
    const { tables, columns } = partsOf(copy.flow);
    return examineCopy(copy, { sources: tables, columns, computed: store.computed });
  });
  return [...missing, ...copied];
}

/** L1: exactly once inside the store's transaction; every other connector makes it at least once. */
function examineGuarantees(configuration: Configuration): readonly Finding[] {
  return [...configuration.flows.values()]
    .filter((flow) => flow.status === 1 && flow.source !== undefined)
    .map((flow): Finding => {
      const names = flow.flows.flatMap(({ fname }) => configuration.funcs.get(fname)?.option.cname ?? []);
      const conns = [...new Set(names)].flatMap((name) => configuration.conns.get(name) ?? []);
      const weak = conns.filter((conn) => !isInStore(conn));
      const subject = `flow ${flow.flow_name}`;
      if (weak.length === 0) {
        const message = 'Exactly once: all that its connectors write commits with its checkpoint.';
        return { code: 'FLOW_GUARANTEE', severity: 'info', subject, message, remedy: '' };
      }
      const list = nameList(weak.map(({ cname, type }) => `${cname} (${type})`));
      const message = `At least once: ${list} writes outside the store's transaction, so a batch that is tried again writes there again.`;
      return { code: 'FLOW_GUARANTEE', severity: 'info', subject, message, remedy: '' };
    });
}

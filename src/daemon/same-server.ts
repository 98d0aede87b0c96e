import { randomBytes } from 'node:crypto';
import { flowGraph, findCycles, ownTableReads } from '../config/plan.ts';
import type { Configuration } from '../config/configuration.ts';
import { CodedError } from '../lib/error.ts';
import type { Source } from '../source/contract.ts';
import type { Store } from '../store/open.ts';

/**
 * Names of the sources that are the store's own server, whatever their addresses say: the store takes a lock, and the sources
 * that see it are the same server. Host names, ports behind proxies and equal server ids cannot mislead it.
 */
export async function findStoreSources(
  store: Store,
  sources: ReadonlyMap<string, Source>,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const session = await store.openSession();
  try {
    const lock = `kisflow:${randomBytes(12).toString('hex')}`;
    await session.query('SELECT GET_LOCK(?, 0)', [lock]);
    const found = new Set<string>();
    for (const [name, source] of sources) if (await source.seesLock(lock, signal)) found.add(name);
    return found;
  } finally {
    await session.close();
  }
}

/** Refuses flows that read what they write (L9), now that it is known which sources are the store's server. */
export function refuseCycles(
  configuration: Configuration,
  options: { readonly storeDatabase: string; readonly storeSources: ReadonlySet<string> },
): void {
  const { storeDatabase, storeSources } = options;
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: (source) => storeSources.has(source.name) });
  const [cycle] = findCycles(graph);
  if (cycle !== undefined) {
    const ring = cycle.map(({ flow, table }) => `${flow} writes ${table}`).join(', ');
    throw new CodedError(
      'FLOW_CYCLE',
      `Flows read what they write: ${ring}, which ${cycle.length === 1 ? 'it' : 'the first one'} reads. Break the ring.`,
    );
  }
  const [own] = ownTableReads(graph, storeDatabase);
  if (own !== undefined) {
    throw new CodedError('FLOW_CYCLE', `Flow ${own.flow} reads ${own.read.table}, which kisflow itself writes with every batch.`);
  }
}

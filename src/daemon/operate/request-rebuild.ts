import { ownedColumns, tablesToRebuild } from '../../config/shadow-plan.ts';
import { CodedError } from '../../lib/error.ts';
import type { Run } from '../../repair/run.ts';
import { requireRebuildable } from '../../repair/shadow-tables.ts';
import { shadowDatabaseOf } from '../../row/shadow-database.ts';
import type { RebuildAsked } from './run-asked.ts';
import { makeRun, requireFlow, type RunPlace } from './run-place.ts';

/** Asks for a flow to be computed anew beside its tables, and swapped in. Throws NAME_UNKNOWN, REBUILD_IMPOSSIBLE, RUN_EXISTS. */
export async function requestRebuild(place: RunPlace, flow: string, { from }: RebuildAsked): Promise<Run> {
  const { configuration, store } = place;
  const spec = requireFlow(configuration, flow);
  if (store === undefined) throw new CodedError('REBUILD_IMPOSSIBLE', `Flow ${flow} cannot be rebuilt: it has never run.`);
  const main = store.database;
  const tables = tablesToRebuild(configuration, spec, main);
  const owned = ownedColumns(configuration, spec, main);
  await requireRebuildable(store, { flow, main, shadow: shadowDatabaseOf(main, flow), tables, owned });
  return makeRun(place, { store, flow, kind: 'rebuild', options: from === undefined ? {} : { from } });
}

import type { Configuration } from '../../config/configuration.ts';
import { computedTables, isSameServer, storeDatabaseOf } from '../../config/plan.ts';
import type { FlowSpec } from '../../config/spec.ts';
import { CodedError } from '../../lib/error.ts';
import type { Run } from '../../repair/run.ts';
import { compilePatterns, reservedTables } from '../../router/router.ts';
import { parseTablePattern } from '../../router/table-pattern.ts';
import { checkWhere } from '../../snapshot/where.ts';
import type { SnapshotAsked } from './run-asked.ts';
import { makeRun, requireBegun, requireRereadableFlow, requireSourceFlow, type RunPlace } from './run-place.ts';

/**
 * Asks for a flow's tables to be read as they are, beside the stream. Throws NAME_UNKNOWN, SNAPSHOT_NO_TABLE, SNAPSHOT_WHERE, FLOW_INCREMENTS,
 * RUN_EXISTS.
 */
export async function requestSnapshot(place: RunPlace, flow: string, { tables, where }: SnapshotAsked): Promise<Run> {
  const { configuration } = place;
  const spec = requireSourceFlow(configuration, flow);
  for (const table of tables) requireTable(configuration, spec, table);
  if (where !== undefined) checkWhere(where);
  await requireRereadableFlow(place, spec);
  const { store } = await requireBegun(place, flow);
  const options = { tables: [...new Set(tables)], ...(where === undefined ? {} : { where }) };
  return makeRun(place, { store, flow, kind: 'snapshot', options });
}

/** Throws SNAPSHOT_NO_TABLE where the flow does not read a table of this name, whether there is one or not. */
function requireTable(configuration: Configuration, { flow_name: flow, source }: FlowSpec, id: string): void {
  const patterns = source?.tables ?? [];
  const spec = configuration.sources.get(source?.name ?? '');
  const database = storeDatabaseOf(configuration);
  const isHere = spec !== undefined && isSameServer(configuration, spec);
  const wants = compilePatterns(patterns, isHere ? reservedTables(computedTables(configuration, database), database) : undefined);
  const table = parseTablePattern(id);
  if (table !== undefined && wants(table.schema, table.table)) return;
  throw new CodedError('SNAPSHOT_NO_TABLE', `Flow ${flow} does not read the table ${id}. It reads ${patterns.join(', ')}.`);
}

import type { Run } from '../../repair/run.ts';
import { formatPosition } from '../../row/position.ts';
import { resolveStretch } from './replay-stretch.ts';
import type { ReplayAsked } from './run-asked.ts';
import { makeRun, requireBegun, requireRereadableFlow, requireSourceFlow, type RunPlace } from './run-place.ts';

/**
 * Asks for a flow to run again over a stretch of the binlog. Throws NAME_UNKNOWN, SNAPSHOT_NO_TABLE, FLOW_INCREMENTS, RUN_EXISTS, and what
 * resolveStretch does.
 */
export async function requestReplay(place: RunPlace, flow: string, asked: ReplayAsked): Promise<Run> {
  const spec = requireSourceFlow(place.configuration, flow);
  await requireRereadableFlow(place, spec);
  const { store, checkpoint } = await requireBegun(place, flow);
  const { from, to } = await resolveStretch({ place, asked, spec, checkpoint });
  const options = { from: formatPosition(from), to: formatPosition(to) };
  return makeRun(place, { store, flow, kind: 'replay', options });
}

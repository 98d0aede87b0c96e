import { readCheckpoint } from '../../checkpoint/checkpoint.ts';
import { tablesInShadow } from '../../config/shadow-plan.ts';
import { CodedError } from '../../lib/error.ts';
import type { Run } from '../../repair/run.ts';
import { requireNoState } from '../../repair/verify-state.ts';
import type { VerifyAsked } from './run-asked.ts';
import { makeRun, requireFlow, type RunPlace } from './run-place.ts';

/** Asks for a flow's tables to be compared with what it computes anew. Throws NAME_UNKNOWN, VERIFY_IMPOSSIBLE, VERIFY_KEEPS_STATE, RUN_EXISTS. */
export async function requestVerify(place: RunPlace, flow: string, { repair, rowsPerSecond }: VerifyAsked): Promise<Run> {
  const { configuration, store } = place;
  const spec = requireFlow(configuration, flow);
  const checkpoint = store === undefined ? undefined : await readCheckpoint(store, flow);
  if (store === undefined || checkpoint === undefined)
    throw new CodedError('VERIFY_IMPOSSIBLE', `Flow ${flow} cannot be verified: it has never run.`);
  try {
    tablesInShadow(configuration, spec, store.database);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'REBUILD_IMPOSSIBLE') throw error;
    throw new CodedError('VERIFY_IMPOSSIBLE', error.message.replace('cannot be rebuilt', 'cannot be verified'), { cause: error });
  }
  if (repair) await requireNoState(store, [store.database], flow);
  const options = { repair, ...(rowsPerSecond === undefined ? {} : { rowsPerSecond }) };
  return makeRun(place, { store, flow, kind: 'verify', options });
}

import { readCheckpoint } from '../../checkpoint/checkpoint.ts';
import { tablesInShadow } from '../../config/shadow-plan.ts';
import { CodedError } from '../../lib/error.ts';
import type { Run } from '../../repair/run.ts';
import { requireNoState } from '../../repair/verify-state.ts';
import type { Store } from '../../store/open.ts';
import type { VerifyAsked } from './run-asked.ts';
import { makeRun, requireFlow, type RunPlace } from './run-place.ts';

/** Asks for a flow's tables to be compared with what it computes anew. Throws what `requireVerifiable` throws, and RUN_EXISTS. */
export async function requestVerify(place: RunPlace, flow: string, asked: VerifyAsked): Promise<Run> {
  const store = await requireVerifiable(place, flow, asked);
  const { repair, rowsPerSecond } = asked;
  const options = { repair, ...(rowsPerSecond === undefined ? {} : { rowsPerSecond }) };
  return makeRun(place, { store, flow, kind: 'verify', options });
}

/** The store of a flow that can be verified. Throws NAME_UNKNOWN, VERIFY_IMPOSSIBLE, VERIFY_KEEPS_STATE. */
export async function requireVerifiable(
  { configuration, store }: RunPlace,
  flow: string,
  { repair }: Pick<VerifyAsked, 'repair'>,
): Promise<Store> {
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
  return store;
}

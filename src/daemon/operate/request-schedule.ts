import { unknownName } from '../../config/unknown-name.ts';
import { endVerifySchedule, readVerifyStatus, setVerifySchedule, type VerifySchedule } from '../../repair/verify-schedule.ts';
import { periodMs, type ScheduleAsked } from './run-asked.ts';
import { requireVerifiable } from './request-verify.ts';
import type { RunPlace } from './run-place.ts';

export interface ScheduleOutcome {
  /** As it is now; null: it is not verified by itself. */
  readonly schedule: VerifySchedule | null;
  /** There was one before. */
  readonly hadOne: boolean;
}

/**
 * Has a flow verified again and again from now on, or no more: that also of a flow that is not in the configuration any more. Throws
 * NAME_UNKNOWN, VERIFY_IMPOSSIBLE, VERIFY_KEEPS_STATE.
 */
export async function requestSchedule(place: RunPlace, flow: string, { every, ...asked }: ScheduleAsked): Promise<ScheduleOutcome> {
  const everyMs = periodMs(every);
  if (everyMs === undefined) {
    const hadOne = place.store !== undefined && (await endVerifySchedule(place.store, flow));
    if (!hadOne && !place.configuration.flows.has(flow)) throw unknownName('flow', flow, place.configuration.flows.keys());
    return { schedule: null, hadOne };
  }
  const store = await requireVerifiable(place, flow, asked);
  const { repair, rowsPerSecond } = asked;
  const options = { repair, ...(rowsPerSecond === undefined ? {} : { rowsPerSecond }) };
  const hadOne = ((await readVerifyStatus(store)).get(flow)?.schedule ?? null) !== null;
  await setVerifySchedule(store, { flow, everyMs, options });
  return { schedule: (await readVerifyStatus(store)).get(flow)?.schedule ?? null, hadOne };
}

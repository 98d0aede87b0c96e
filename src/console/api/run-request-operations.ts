import type { z } from 'zod';
import { requestRebuild } from '../../daemon/operate/request-rebuild.ts';
import { requestReplay } from '../../daemon/operate/request-replay.ts';
import { requestSchedule } from '../../daemon/operate/request-schedule.ts';
import { requestSnapshot } from '../../daemon/operate/request-snapshot.ts';
import { requestVerify } from '../../daemon/operate/request-verify.ts';
import { rebuildAsked, replayAsked, scheduleAsked, snapshotAsked, verifyAsked } from '../../daemon/operate/run-asked.ts';
import type { RunPlace } from '../../daemon/operate/run-place.ts';
import type { Run } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';
import { defineOperation, sourceDeadlineMs, type ApiContext, type Operation } from './operation.ts';
import { readDetails } from './run-details.ts';
import { runDetailsSchema } from './run-schemas.ts';
import { verifyScheduleSchema } from './schemas.ts';

interface RequestSpec<Asked extends z.ZodObject> extends Pick<Operation, 'id' | 'summary' | 'deadlineMs'> {
  /** What it makes, as the path has it. */
  readonly runs: 'snapshots' | 'replays' | 'rebuilds' | 'verifies';
  readonly asked: Asked;
  readonly request: (place: RunPlace, flow: string, asked: z.output<Asked>) => Promise<Run>;
}

function requestOperation<Asked extends z.ZodObject>({ runs, asked, request, ...rest }: RequestSpec<Asked>): Operation {
  return defineOperation({
    ...rest,
    method: 'POST',
    path: `/api/v1/flows/{flow}/${runs}`,
    body: asked,
    answerName: 'RunDetails',
    answer: runDetailsSchema,
    locationOf: ({ id }) => `/api/v1/runs/${id}`,
    async run({ path: { flow = '' }, body }, context) {
      const store = await context.openStore();
      const run = await request(placeOf(context, store), flow, body);
      return readDetails(run, { configuration: context.configuration, store });
    },
  });
}

/** The project as the daemon runs it. */
function placeOf({ configuration, project, logger, signal }: ApiContext, store: Store): RunPlace {
  const functions = async () => project.functions.map(({ definition }) => definition);
  return { configuration, functions, store, logger, signal };
}

const schedule = defineOperation({
  id: 'scheduleVerify',
  method: 'POST',
  path: '/api/v1/flows/{flow}/verify-schedule',
  summary: 'Has the tables of a flow compared again and again, from now on, or no more; it begins no run itself',
  body: scheduleAsked,
  answerName: 'VerifySchedule',
  answer: verifyScheduleSchema,
  async run({ path: { flow = '' }, body }, context) {
    const place = placeOf(context, await context.openStore());
    return { flow, schedule: (await requestSchedule(place, flow, body)).schedule };
  },
});

export const runRequestOperations: readonly Operation[] = [
  requestOperation({
    id: 'startSnapshot',
    runs: 'snapshots',
    summary: 'Has tables of a flow read as they are, beside the stream',
    asked: snapshotAsked,
    request: requestSnapshot,
  }),
  requestOperation({
    id: 'startReplay',
    runs: 'replays',
    summary: 'Has a flow run again over a stretch of the binlog',
    deadlineMs: sourceDeadlineMs,
    asked: replayAsked,
    request: requestReplay,
  }),
  requestOperation({
    id: 'startRebuild',
    runs: 'rebuilds',
    summary: 'Has a flow computed anew beside its tables, and swapped in',
    asked: rebuildAsked,
    request: requestRebuild,
  }),
  requestOperation({
    id: 'startVerify',
    runs: 'verifies',
    summary: 'Has the tables of a flow compared with what it computes anew',
    asked: verifyAsked,
    request: requestVerify,
  }),
  schedule,
];

import { z } from 'zod';
import { documentOfRun } from '../../daemon/operate/run-document.ts';
import { CodedError } from '../../lib/error.ts';
import { readRun, readRuns, setRunWish } from '../../repair/run-record.ts';
import type { RunWish } from '../../repair/run.ts';
import { defineOperation, type Operation } from './operation.ts';
import { runListSchema, runSchema, wholeNumber } from './schemas.ts';

const listRuns = defineOperation({
  id: 'listRuns',
  method: 'GET',
  path: '/api/v1/runs',
  summary: 'The latest runs of repair: snapshots and their like, with how far each is',
  query: z.strictObject({
    flow: z.string().max(190).optional().describe('Only those of this flow'),
    limit: wholeNumber(1, 200, 50),
  }),
  answerName: 'RunList',
  answer: runListSchema,
  async run({ query }, { openStore }) {
    return { runs: (await readRuns(await openStore(), query)).map(documentOfRun) };
  },
});

const getRun = defineOperation({
  id: 'getRun',
  method: 'GET',
  path: '/api/v1/runs/{id}',
  summary: 'One run',
  answerName: 'Run',
  answer: runSchema,
  async run({ path }, { openStore }) {
    return documentOfRun(await readRun(await openStore(), runId(path)));
  },
});

const summaries: Readonly<Record<RunWish, string>> = {
  pause: 'Lets a run hold after what it has under way',
  resume: 'Lets a paused run go on',
  cancel: 'Ends a run, and keeps what it has done',
};

function wishOperation(wish: RunWish): Operation {
  return defineOperation({
    id: `${wish}Run`,
    method: 'POST',
    path: `/api/v1/runs/{id}/${wish}`,
    summary: `${summaries[wish]}; answers at once, with the wish until its daemon has done it`,
    answerName: 'Run',
    answer: runSchema,
    async run({ path }, { openStore }) {
      return documentOfRun(await setRunWish(await openStore(), runId(path), wish));
    },
  });
}

function runId({ id = '' }: Readonly<Record<string, string>>): string {
  if (/^\d{1,20}$/.test(id)) return id;
  throw new CodedError('RUN_UNKNOWN', 'A run has a number.');
}

export const runOperations: readonly Operation[] = [
  listRuns,
  getRun,
  wishOperation('pause'),
  wishOperation('resume'),
  wishOperation('cancel'),
];

import { z } from 'zod';
import { documentOfRun } from '../../daemon/operate/run-document.ts';
import { CodedError } from '../../lib/error.ts';
import { readRun, readRuns, setRunWish } from '../../repair/run-record.ts';
import { readDifferences } from '../../repair/verify-record.ts';
import type { RunWish } from '../../repair/run.ts';
import { readDetails } from './run-details.ts';
import { defineOperation, type Operation } from './operation.ts';
import { differenceListSchema, runListSchema, runSchema, runDetailsSchema } from './run-schemas.ts';
import { wholeNumber } from './schemas.ts';

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
  summary: 'One run; of a verify that has compared also what it found, in figures',
  answerName: 'RunDetails',
  answer: runDetailsSchema,
  async run({ path }, { configuration, openStore }) {
    const store = await openStore();
    const run = await readRun(store, runId(path));
    return readDetails(run, { configuration, store });
  },
});

const listDifferences = defineOperation({
  id: 'listDifferences',
  method: 'GET',
  path: '/api/v1/runs/{id}/differences',
  summary: 'The rows that a verify found to be wrong, a page at a time',
  query: z.strictObject({
    limit: wholeNumber(1, 200, 50).describe('Rows of a page'),
    after: wholeNumber(0, 999_999_999, 0).describe('`next` of the page before'),
  }),
  answerName: 'DifferenceList',
  answer: differenceListSchema,
  async run({ path, query: { limit, after } }, { openStore }) {
    const store = await openStore();
    const { id } = await readRun(store, runId(path));
    const found = await readDifferences(store, id, { limit: limit + 1, after });
    const page = found.slice(0, limit);
    return {
      differences: page.map((one) => ({ ...one, key: z.array(z.unknown()).parse(JSON.parse(one.key)) })),
      next: found.length > limit ? (page.at(-1)?.number ?? null) : null,
    };
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
  listDifferences,
  wishOperation('pause'),
  wishOperation('resume'),
  wishOperation('cancel'),
];

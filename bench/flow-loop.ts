/** A flow by itself: batches of 1,000 rows, one run after the other, no source and no store. */
import { z } from 'zod';
import type * as BuildModule from '../src/flow/build.ts';
import type { FlowContext, FunctionDefinition } from '../src/flow/contract.ts';
import type * as DefineModule from '../src/flow/define.ts';
import type * as RegistryModule from '../src/flow/registry.ts';
import type * as RunnerModule from '../src/flow/runner.ts';
import type * as LoggerModule from '../src/lib/logger.ts';
import { importBuilt } from './built.ts';
import { answer } from './child-side.ts';
import { flowLoop, type FlowLoopInput } from './scripts.ts';
import { median } from './statistics.ts';

const { buildFlow } = await importBuilt<typeof BuildModule>('flow/build.js');
const { defineFunction } = await importBuilt<typeof DefineModule>('flow/define.js');
const { Registry } = await importBuilt<typeof RegistryModule>('flow/registry.js');
const { runFlow } = await importBuilt<typeof RunnerModule>('flow/runner.js');
const { silentLogger } = await importBuilt<typeof LoggerModule>('lib/logger.js');

const batchRows = 1000;
const warmUpBatches = 300;
const allocationBatches = 200;

const scores = z.object({ stu_id: z.number(), score_1: z.number(), score_2: z.number(), score_3: z.number() });
const average = z.object({ stu_id: z.number(), avg_score: z.number() });

/** What a function commits to where there is no flow. */
type Commit = Pick<FlowContext, 'commitRow'>;

/** One function, as the flow runs it and as a program without one would: the same code over the same parsed rows. */
interface Piece {
  readonly definition: FunctionDefinition;
  readonly byHand: (to: Commit, rows: readonly unknown[]) => void;
}

/** The sum of what the last function saw: the loops agree on it, and the work cannot be optimised away. */
let seen = 0;

function piece<Row>(name: string, schema: z.ZodType<Row>, work: (to: Commit, rows: readonly Row[]) => void): Piece {
  return {
    definition: defineFunction({ name, input: schema, run: work }),
    byHand: (to, rows) =>
      work(
        to,
        rows.map((row) => schema.parse(typeof row === 'string' ? JSON.parse(row) : row)),
      ),
  };
}

const verify = piece('VerifyStu', scores, (to, rows) => {
  for (const row of rows) if (row.stu_id >= 0) to.commitRow(row);
});
const scale = piece('ScaleStuScore', scores, (to, rows) => {
  for (const row of rows) to.commitRow({ ...row, score_1: row.score_1 * 2 });
});
const avg = piece('AvgStuScore', scores, (to, rows) => {
  for (const row of rows) to.commitRow({ stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2 + row.score_3) / 3 });
});
const round = piece('RoundStuAvgScore', average, (to, rows) => {
  for (const row of rows) to.commitRow({ stu_id: row.stu_id, avg_score: Math.round(row.avg_score) });
});
const last = piece('SumStuAvgScore', average, (_to, rows) => {
  for (const row of rows) seen += row.avg_score;
});

function passOn(to: Commit, rows: readonly unknown[]): void {
  for (const row of rows) to.commitRow(row);
}

/** Ten functions that do nothing but pass their rows on. */
const passes = Array.from({ length: 10 }, (_, index): Piece => {
  return { definition: defineFunction<unknown>({ name: `Pass${index}`, run: passOn }), byHand: passOn };
});

const flows: Readonly<Record<FlowLoopInput['flow'], readonly Piece[]>> = {
  'quick-start': [avg, last],
  'quick-start-texts': [avg, last],
  five: [verify, scale, avg, round, last],
  pass: passes,
};

await answer(flowLoop, async ({ flow: name, isByHand, rows }) => {
  const pieces = flows[name];
  const batches = makeBatches(name === 'quick-start-texts');
  const run = isByHand ? runByHand(pieces) : runAsFlow(pieces);
  const repeat = async (count: number): Promise<void> => {
    for (let batch = 0; batch < count; batch += 1) await run(batches[batch % batches.length] ?? []);
  };
  await repeat(warmUpBatches);
  seen = 0;
  const count = Math.ceil(rows / batchRows);
  const startedAt = performance.now();
  await repeat(count);
  const seconds = (performance.now() - startedAt) / 1000;
  if (name !== 'pass' && seen === 0) throw new Error('the last function has seen nothing');
  const functions = pieces.length;
  return { rows: count * batchRows, functions, seconds, allocatedBytesPerRow: await allocatedBytesPerRow(run, batches) };
});

/** A hundred different batches, so that the rows of one do not stay in the processor's cache. */
function makeBatches(asTexts: boolean): readonly (readonly unknown[])[] {
  return Array.from({ length: 100 }, (_, batch) =>
    Array.from({ length: batchRows }, (_row, index) => {
      const row = { stu_id: batch * batchRows + index, score_1: index % 101, score_2: batch % 101, score_3: 60 };
      return asTexts ? JSON.stringify(row) : row;
    }),
  );
}

type RunBatch = (rows: readonly unknown[]) => unknown;

function runAsFlow(pieces: readonly Piece[]): RunBatch {
  const registry = new Registry();
  for (const { definition } of pieces) registry.registerFunction(definition);
  const steps = pieces.map(({ definition }) => ({ fname: definition.name }));
  const flow = buildFlow({ name: 'bench', steps }, registry);
  const { signal } = new AbortController();
  const scope = { id: 'batch', flow: flow.name, store: null, signal, logger: silentLogger };
  return (rows) => runFlow(flow, rows, scope);
}

function runByHand(pieces: readonly Piece[]): RunBatch {
  return (rows) => {
    let input = rows;
    for (const { byHand } of pieces) {
      const output: unknown[] = [];
      byHand({ commitRow: (row) => void output.push(row) }, input);
      input = output;
    }
  };
}

/** How far the heap grows over one batch; the median, so that batches in which garbage was collected do not count. */
async function allocatedBytesPerRow(run: RunBatch, batches: readonly (readonly unknown[])[]): Promise<number> {
  const grown: number[] = [];
  for (let batch = 0; batch < allocationBatches; batch += 1) {
    const before = process.memoryUsage().heapUsed;
    await run(batches[batch % batches.length] ?? []);
    grown.push((process.memoryUsage().heapUsed - before) / batchRows);
  }
  return median(grown.filter((bytes) => bytes > 0));
}

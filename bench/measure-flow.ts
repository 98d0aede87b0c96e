import type { SmallBench } from './bench.ts';
import { runChild } from './child.ts';
import { compare, figureOf, seriesOf, type Figure } from './figure.ts';
import { flowLoop, type FlowLoopInput, type FlowLoopResult } from './scripts.ts';

const titles: Readonly<Record<FlowLoopInput['flow'], string>> = {
  'quick-start': 'flow, quick start',
  'quick-start-texts': 'flow, quick start from JSON texts',
  five: 'flow, five functions',
  pass: 'flow, ten pass-through functions',
};

/** The most that a function may cost which only passes its rows on, in nanoseconds a row. */
const aimNs = 1000;

/** What a flow costs by itself: against the same functions called one after the other by hand. */
export async function measureFlow(bench: SmallBench): Promise<readonly Figure[]> {
  return [
    ...(await rateAndAllocation(bench, 'quick-start')),
    ...(await rateAndAllocation(bench, 'quick-start-texts')),
    ...(await rateAndAllocation(bench, 'five')),
    await passThrough(bench),
  ];
}

async function rateAndAllocation(bench: SmallBench, flow: FlowLoopInput['flow']): Promise<readonly Figure[]> {
  const { asFlow, byHand } = await takeTurns(bench, flow);
  const rates = (results: readonly FlowLoopResult[]): readonly number[] => results.map(({ rows, seconds }) => rows / seconds);
  const bytes = (results: readonly FlowLoopResult[]): readonly number[] =>
    results.map(({ allocatedBytesPerRow }) => allocatedBytesPerRow);
  return [
    compare({ name: titles[flow], unit: 'rows/s', values: rates(asFlow), against: seriesOf('by hand', rates(byHand)) }),
    figureOf({
      name: `${titles[flow]}, allocated`,
      unit: 'B/row',
      values: bytes(asFlow),
      against: seriesOf('by hand', bytes(byHand)),
    }),
  ];
}

async function passThrough(bench: SmallBench): Promise<Figure> {
  const { asFlow, byHand } = await takeTurns(bench, 'pass');
  const cost = (results: readonly FlowLoopResult[]): readonly number[] =>
    results.map(({ rows, functions, seconds }) => (seconds * 1e9) / (rows * functions));
  return figureOf({
    name: titles.pass,
    unit: 'ns/row and function',
    values: cost(asFlow),
    against: seriesOf('by hand', cost(byHand)),
    aim: aimNs,
    notes: { allocatedBytesPerRow: asFlow.map(({ allocatedBytesPerRow }) => allocatedBytesPerRow) },
  });
}

/** By hand and as a flow, in turns, each time in a process of its own. */
async function takeTurns(
  { options, log }: SmallBench,
  flow: FlowLoopInput['flow'],
): Promise<{ readonly asFlow: readonly FlowLoopResult[]; readonly byHand: readonly FlowLoopResult[] }> {
  const asFlow: FlowLoopResult[] = [];
  const byHand: FlowLoopResult[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    byHand.push(await runChild(flowLoop, { flow, isByHand: true, rows: options.rows }, options));
    asFlow.push(await runChild(flowLoop, { flow, isByHand: false, rows: options.rows }, options));
    log(`${titles[flow]}, round ${round}: by hand ${rate(byHand.at(-1))}, as a flow ${rate(asFlow.at(-1))} rows/s`);
  }
  return { asFlow, byHand };
}

function rate(result: FlowLoopResult | undefined): number {
  return result === undefined ? Number.NaN : Math.round(result.rows / result.seconds);
}

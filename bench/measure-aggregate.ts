import type { Bench } from './bench.ts';
import { compare, seriesOf, type Figure } from './figure.ts';
import { rateOf, runFlow } from './measure-mirror.ts';

/** The operator aggregate against the same figures kept by a function in TypeScript, both from the binlog's beginning until current. */
export async function measureAggregate(bench: Bench): Promise<readonly Figure[]> {
  const { data, options, log } = bench;
  const rates = { figures: [] as number[], totals: [] as number[] };
  const peaks: number[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    // each goes first in every other round: whoever goes first finds colder files
    const order = round % 2 === 0 ? (['figures', 'totals'] as const) : (['totals', 'figures'] as const);
    for (const flow of order) {
      const run = await runFlow(bench, { flow, rows: 'change' });
      rates[flow].push(rateOf(run, data.changes));
      if (flow === 'figures') peaks.push(run.peakMb);
    }
    log(
      `aggregate, round ${round}: by hand ${Math.round(rates.totals.at(-1) ?? 0)}, operator ${Math.round(rates.figures.at(-1) ?? 0)} rows/s`,
    );
  }
  return [
    compare({
      name: 'aggregate operator',
      unit: 'rows/s',
      values: rates.figures,
      against: seriesOf('function', rates.totals),
      aim: 0.8,
      notes: { peakMb: peaks },
    }),
  ];
}

import type { Bench } from './bench.ts';
import { compare, seriesOf, type Figure } from './figure.ts';
import { rateOf, runFlow } from './measure-mirror.ts';

/** The mirror flow with lineage, against the same without; in turns, so that the machine's other load meets both. */
export async function measureLineage(bench: Bench): Promise<readonly Figure[]> {
  const { data, options, log } = bench;
  const off: number[] = [];
  const on: number[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    off.push(rateOf(await runFlow(bench, { flow: 'mirror', rows: 'change' }), data.changes));
    on.push(rateOf(await runFlow(bench, { flow: 'mirror', rows: 'change', hasLineage: true }), data.changes));
    log(`lineage, round ${round}: off ${Math.round(off.at(-1) ?? 0)}, on ${Math.round(on.at(-1) ?? 0)} rows/s`);
  }
  return [compare({ name: 'mirror flow with lineage', unit: 'rows/s', values: on, against: seriesOf('mirror', off) })];
}

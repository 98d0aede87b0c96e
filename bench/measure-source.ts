import type { Bench } from './bench.ts';
import { runChild } from './child.ts';
import { compare, figureOf, seriesOf, type Figure } from './figure.ts';
import { sourceToFlow, zongjiAlone, type ReadInput, type RunResult } from './scripts.ts';

/** The binlog from source to flow, without a store, against zongji alone. */
export async function measureSource(bench: Bench): Promise<readonly Figure[]> {
  const { pair, data, options, log } = bench;
  const input: ReadInput = { url: pair.source.url, file: data.binlogFile, rows: data.changes };
  const alone: RunResult[] = [];
  const toFlow: RunResult[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    alone.push(checked(await runChild(zongjiAlone, input, options), data.changes));
    toFlow.push(checked(await runChild(sourceToFlow, input, options), data.changes));
    log(`source, round ${round}: zongji ${rate(alone.at(-1))}, source to flow ${rate(toFlow.at(-1))} rows/s`);
  }
  return [
    compare({
      name: 'source to flow, no store',
      unit: 'rows/s',
      values: toFlow.map(rate),
      against: seriesOf('zongji', alone.map(rate)),
      aim: 0.8,
    }),
    figureOf({
      name: 'source to flow, peak memory',
      unit: 'MB',
      values: toFlow.map(({ peakMb }) => peakMb),
      notes: { zongjiMb: alone.map(({ peakMb }) => peakMb) },
    }),
  ];
}

function checked(result: RunResult, changes: number): RunResult {
  if (result.rows !== changes) throw new Error(`${result.rows} rows were read of ${changes}`);
  return result;
}

function rate(result: RunResult | undefined): number {
  return result === undefined ? Number.NaN : Math.round(result.rows / result.seconds);
}

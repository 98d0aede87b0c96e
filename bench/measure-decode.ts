import type { Bench } from './bench.ts';
import { runChild } from './child.ts';
import { compare, seriesOf, type Figure } from './figure.ts';
import { sourceAlone, zongjiAlone, type ReadInput, type RunResult } from './scripts.ts';

/** A fifth of the columns: what a flow of totals needs. */
const someColumns = ['customer_id', 'amount'];

/** Decoding alone, from the socket to row objects that nobody looks at: the source's decoder against zongji's with exact values. */
export async function measureDecode({ pair, data, options, log }: Bench): Promise<readonly Figure[]> {
  const input: ReadInput = { url: pair.source.url, file: data.binlogFile, rows: data.changes };
  const alone: RunResult[] = [];
  const ours: RunResult[] = [];
  const some: RunResult[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    alone.push(await runChild(zongjiAlone, input, options));
    ours.push(await runChild(sourceAlone, input, options));
    some.push(await runChild(sourceAlone, { ...input, columns: someColumns }, options));
    log(
      `decode, round ${round}: zongji ${rate(alone.at(-1))}, ours ${rate(ours.at(-1))}, ours with two columns ${rate(some.at(-1))} rows/s`,
    );
  }
  const against = seriesOf('zongji', alone.map(rate));
  return [
    compare({ name: 'decode, all columns', unit: 'rows/s', values: ours.map(rate), against, aim: 1.5 }),
    compare({ name: 'decode, two columns of nine', unit: 'rows/s', values: some.map(rate), against }),
  ];
}

function rate(result: RunResult | undefined): number {
  return result === undefined ? Number.NaN : Math.round(result.rows / result.seconds);
}

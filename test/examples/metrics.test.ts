import { once } from 'node:events';
import { expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.ts';
import { startExample } from './example.ts';

test('KisFlow’s example of metrics: a program counts its runs and serves them to Prometheus until it ends', async () => {
  const { child, lines } = startExample('10-metrics', { KISFLOW_METRICS: '127.0.0.1:0' });
  await waitFor(() => lines.length >= 3, { deadlineMs: 20_000, what: 'two runs' });
  const url = /^metrics at (.+)$/.exec(lines[0] ?? '')?.[1] ?? '';
  expect(lines.slice(1, 3)).toEqual(['stuid: [100], avg score: [90]', 'stuid: [101], avg score: [90]']);
  const scrape = async (): Promise<{ readonly text: string; readonly runs: number; readonly ended: number }> => {
    const text = await (await fetch(url)).text();
    const valueOf = (sample: string): number =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(sample))
          ?.slice(sample.length),
      );
    const label = '{flow_name="CalStuAvgScore"}';
    return { text, runs: valueOf(`flow_schedule_cnts${label} `), ended: valueOf(`flow_run_duration_count${label} `) };
  };
  // Between two runs: one that has begun and not ended counts in some of them.
  const { text, runs } = await waitFor(async () => {
    const scraped = await scrape();
    return scraped.runs === scraped.ended ? scraped : undefined;
  });
  expect(runs).toBeGreaterThanOrEqual(2);
  for (const sample of [
    `kisflow_data_total ${runs}`,
    `flow_data_total{flow_name="CalStuAvgScore"} ${runs}`,
    `func_schedule_cnts{func_name="VerifyStu",func_mode="Verify"} ${runs}`,
    `func_schedule_cnts{func_name="AvgStuScore",func_mode="Calculate"} ${runs}`,
    `func_schedule_cnts{func_name="PrintStuAvgScore",func_mode="Expand"} ${runs}`,
    `func_run_duration_count{func_name="PrintStuAvgScore",func_mode="Expand"} ${runs}`,
    `flow_run_duration_count{flow_name="CalStuAvgScore"} ${runs}`,
  ]) {
    expect(text.split('\n')).toContain(sample);
  }
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  await expect(fetch(url)).rejects.toThrow();
});
